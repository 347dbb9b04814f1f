"""The load: clients that hurry through a proxy, and the target they talk to.

Standard library only: a bare copy of this folder runs in a guest as `python3 -m load …`. It must
be lighter than what it measures, hence the generators over epoll instead of asyncio.
"""
