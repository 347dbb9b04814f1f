"""A machine to which one thing after another happens, drawn by a seed, under traffic.

    python -m tests.chaos --minutes N [--seed N]

Every byte proves itself. A line a fault says what it was and how long it took until new connections
carried data, checked to the last byte. The exit status is 1 if a byte was wrong, or if no session
came back, and then says where console, screen and logs are.

    faults      what can happen, and what has to be true after it
    __main__    draws them for so many minutes
"""
