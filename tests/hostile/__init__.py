"""Each daemon as a process, with somebody hostile at the other end of its channel.

The hostile peer speaks our wire well enough to get deep, and then does whatever the dice say.
`test_hostile_peers.py` holds the daemon to what it promises all the same. The environment says how
long and which dice (the defaults are for a short run with new dice):

    HOSTILE_SECONDS     for each of the two daemons
    HOSTILE_SEED        a number that a run before has printed

The same seed makes the same choices. What they meet depends on time, so a run is not repeated to
the byte.

    peer        the hostile end of a channel
    acts        what it does, well-behaved or not
    bends       what it does to the bytes of good frames
    ground      the targets that it can reach, on loopback
    crowd       clients that give it something to answer
    background  threads for both of them
    judge       what the daemon is held to
"""
