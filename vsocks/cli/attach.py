"""`vsocks attach` and `detach`: a channel for a QEMU that runs, without a restart."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.channel.spec import DEFAULT_PORT_NAME
from vsocks.cli.arguments import add_seconds

if TYPE_CHECKING:
    import argparse

_ID: Final = "vsocks"


def add_attach_options(parser: argparse.ArgumentParser) -> None:
    """All that `vsocks attach` takes."""
    parser.description = (
        "Add a virtio-serial controller and a port to a machine that runs, and print the channel "
        "for vsocks host --channel."
    )
    _add_which(parser)
    parser.add_argument(
        "--socket", required=True, metavar="PATH", help="where QEMU is to listen for vsocks host"
    )
    parser.add_argument(
        "--name",
        default=DEFAULT_PORT_NAME,
        help=f"the port's name in the guest (default: {DEFAULT_PORT_NAME})",
    )
    parser.add_argument(
        "--bus", default="", help="the PCI bus for the controller (default: the first with room)"
    )


def add_detach_options(parser: argparse.ArgumentParser) -> None:
    """All that `vsocks detach` takes."""
    parser.description = "Take away what vsocks attach has added; stop vsocks host before."
    _add_which(parser)
    add_seconds(parser, "--wait", 30, "how long the guest may take to let the controller go")


def _add_which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--qmp", required=True, metavar="SOCKET", help="the machine's QMP socket (qemu -qmp unix:…)"
    )
    parser.add_argument("--id", default=_ID, help=f"how QEMU calls what is added (default: {_ID})")


def run_attach(options: argparse.Namespace) -> int:
    """Attach, and print the channel; raises VsocksError."""
    from vsocks.host.qemu import Attachment, attach

    # QEMU may have another working directory.
    socket = str(Path(options.socket).absolute())
    wanted = Attachment(options.id, socket, options.name, options.bus)
    asyncio.run(attach(options.qmp, wanted))
    sys.stdout.write(f"unix:{socket}\n")
    return 0


def run_detach(options: argparse.Namespace) -> int:
    """Detach; raises VsocksError."""
    from vsocks.host.qemu import Attachment, detach

    asyncio.run(detach(options.qmp, Attachment(options.id), options.wait))
    return 0
