"""How fast vsocks is, beside `ssh -D` and the raw pipe: `make bench`.

    load/       what is measured: clients and target; a bare copy of it runs in a VM, too
    peer        what is compared, in a file each: peer_direct, peer_socat, peer_ssh, peer_vsocks
    rounds      every peer in turn, again and again
    table       medians, ratios and aims

Figures are of one machine at one moment: only those of the same run compare.
"""
