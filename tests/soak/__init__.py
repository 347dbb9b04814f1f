"""Both daemons under mixed traffic for as long as you like, one of them killed now and then.

    python -m tests.soak --minutes N [--seed N]

Every byte proves itself. Printed are a line each minute and figures at the end; the exit status is
1 if a byte was wrong, if something failed and no kill explains it, if a kind of traffic never
passed, or if a daemon holds more descriptors at the end than at the start.

    rig         both daemons, on ports that last, and the targets
    traffic     the kinds of traffic
    tally       what passed, what failed, what was wrong; and when a kill explains it
    kills       one daemon is killed and started again
    lives       memory and descriptors of each process
    __main__    all of it together
"""
