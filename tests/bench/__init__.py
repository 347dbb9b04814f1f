"""How fast vsocks is, beside `ssh -D`, tinyproxy, danted and the raw pipe: `make bench`.

    load/        what is measured: clients and target; a bare copy of it runs in a VM, too
    on_loopback  two daemons on this machine: over_socks, over_http and over_udp say what is
                 measured, and of which peers (peer_direct, peer_vsocks, peer_ssh, …)
    in_vm        through a virtio-serial port; vm_direct, vm_raw, vm_socat, vm_vsocks
    rounds       every peer in turn, again and again
    report       medians, ratios and aims as tables

Figures are of one machine at one moment: only those of the same run compare.
"""
