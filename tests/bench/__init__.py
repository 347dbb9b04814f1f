"""How fast vsocks is, beside `ssh -D` and the raw pipe: `make bench`.

    load/        what is measured: clients and target; a bare copy of it runs in a VM, too
    on_loopback  two daemons on this machine; what is compared is in peer_direct, peer_socat,
                 peer_ssh and peer_vsocks
    in_vm        through a virtio-serial port; vm_direct, vm_raw, vm_socat, vm_vsocks
    rounds       every peer in turn, again and again
    report       medians, ratios and aims as tables

Figures are of one machine at one moment: only those of the same run compare.
"""
