"""How fast vsocks is, beside `ssh -D` and the raw pipe: `make bench`.

    load/       the load: clients and target; standard library only, a bare copy runs in a VM
    peer        what is compared, in a file each: peer_direct, peer_socat, peer_ssh, peer_vsocks
    workloads   what is measured, by name
    rounds      every peer in turn, again and again
    table       medians, ratios and aims

Figures are of one machine at one moment: only those of the same run compare.
"""
