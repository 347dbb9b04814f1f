"""Fuzz targets: whatever the bytes, only the documented errors come out and the bounds hold.

    python -m tests.fuzz [--seconds N] [--only NAME]

Each target is a module with a function ``run(data)`` that must not raise, and ``SEEDS`` to
begin from. It needs no fuzzer itself, so a finding can be looked at in any debugger.
"""

#: The targets, in the order in which they run.
TARGETS = (
    "endpoint_bytes",
    "endpoint_frames",
    "original_session",
    "greeting",
    "socks_5",
    "socks_4",
    "socks_datagram",
    "http_dialect",
    "http_exchange",
    "policy_rule",
    "dns_message",
    "channel_spec",
    "control_line",
)
