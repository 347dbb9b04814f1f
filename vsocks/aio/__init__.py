"""Sockets and tasks on an event loop, whatever they are for."""
