"""`make demo`: a guest with no network card fetches a file through vsocks, before your eyes."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack, closing

from .accel import Choice, choose
from .agent import AgentError
from .disc_guest import INSTALL, MOUNT, DiscGuest
from .guest import CommandError, Guest
from .image import Image, ImageError, debian_image
from .measure import echo_round_trips
from .process import host_daemon
from .programs import MissingProgramError
from .progress import say, step
from .qemu import LaunchError
from .qmp import QMPError
from .ssh import SSH, Access
from .targets import EchoServer, FileServer, payload, serving, sha256
from .transcript import Transcript, WaitError
from .vm import VM
from .warm import warm_state, warm_vm

PROBLEMS = (
    AgentError,
    CommandError,
    ImageError,
    LaunchError,
    MissingProgramError,
    QMPError,
    WaitError,
    OSError,
)
SIZE = 32 * 1024 * 1024
ROUND_TRIPS = 500
SOCKS = 1080
PROXY = f"127.0.0.1:{SOCKS}"
QEMU_SEES_HOST_AS = "10.0.2.2"
"""Where a guest usually finds the host in QEMU's user network."""

SSH_PORT = 22
FORWARDED = r"forwarding 127\.0\.0\.1:(\d+) to"

NO_CARD = """\
QEMU was told `-nic none`. The commands that you see come in by qemu-guest-agent, over a
virtio-serial port of its own; the other port is for vsocks."""

OWN_VM = """\
With libvirt, in the domain (`virsh edit`), under <devices>:

    <channel type='unix'>
      <source mode='bind' path='/run/vsocks/guest.sock'/>
      <target type='virtio' name='org.vsocks.0'/>
    </channel>

With QEMU's command line:

    -chardev socket,id=vsocks,path=/run/vsocks/guest.sock,server=on,wait=off
    -device virtio-serial-pci
    -device virtserialport,chardev=vsocks,name=org.vsocks.0

Then attach dist/vsocks-guest.iso (`make guest-iso` makes it, with the Windows program on it), and:

    guest$ sh /mnt/install.sh
    host$  vsocks host --channel unix:/run/vsocks/guest.sock

Programs in the guest use 127.0.0.1:1080 as their SOCKS5 proxy. The host decides what they reach:
its own loopback, for one, only if you say so (--allow 127.0.0.1:PORT)."""


def main() -> int:
    """Show it all; status 0 only if the file came through whole."""
    try:
        image = debian_image()
        choice = choose(image)
        warm_state(image, choice, card=False)
        with ExitStack() as stack:
            right = _show(stack, image, choice)
    except PROBLEMS as error:
        _out(f"\nThe demo failed: {error}")
        return 1
    _title("With your own machine")
    _out(OWN_VM)
    _title("Result")
    _out(f"The file came through {'whole' if right else 'DAMAGED'}.")
    return 0 if right else 1


def _show(stack: ExitStack, image: Image, choice: Choice) -> bool:
    content = payload(SIZE)
    files = stack.enter_context(serving(FileServer(content)))
    echo = stack.enter_context(serving(EchoServer()))
    with step("starting the guest"):
        vm = stack.enter_context(warm_vm(image, choice, card=False))
        guest = stack.enter_context(DiscGuest.of(vm))

    _title("The guest has no network card")
    _out(f"Debian in QEMU, {choice}")
    _out(NO_CARD)
    _in_guest(guest, "ip -o link")
    _in_guest(guest, "ls /dev/virtio-ports")
    for address in (QEMU_SEES_HOST_AS, "127.0.0.1"):
        _in_guest_failing(guest, f"curl -sS --max-time 3 http://{address}:{files.port}/file")

    _title("The program comes on a disc")
    guest.insert_disc()
    _in_guest(guest, MOUNT)
    _in_guest(guest, INSTALL)

    _title("Two daemons and a virtio-serial port between them")
    ssh = _start_daemons(stack, vm, guest, [files.port, echo.port])

    _title("Through SOCKS, over the port")
    right = _fetch(guest, files, content) and _push(guest, files, content)
    trips = echo_round_trips(guest, SOCKS, echo.port, ROUND_TRIPS)
    _out(f"round trip of 64 bytes, {ROUND_TRIPS} times: {trips}")

    _title("The other way, to what the guest exposes")
    _by_ssh(image, ssh, "hostname; ip -o link | wc -l")
    return right


def _start_daemons(stack: ExitStack, vm: VM, guest: Guest, ports: list[int]) -> int:
    """Start both; returns the port of the host that leads to the guest's SSH."""
    _out(f"guest$ vsocks guest --channel virtio --expose {SSH_PORT}")
    in_guest = guest.start_daemon("--expose", str(SSH_PORT))
    _wait(in_guest.log, "listening on")
    rules = [word for port in ports for word in ("--allow", f"127.0.0.1:{port}")]
    rules += ["--forward", f"127.0.0.1:0:127.0.0.1:{SSH_PORT}"]
    _out(f"host$  vsocks host --channel unix:{vm.socket()} {' '.join(rules)}")
    on_host = stack.enter_context(host_daemon(vm.socket(), *rules, folder=vm.folder))
    _wait(in_guest.log, "session up")
    _wait(on_host.log, "session up")
    forwarded = on_host.log.wait(FORWARDED, timeout=60).text
    _out(in_guest.log.text(), indent="guest: ")
    _out(on_host.log.text(), indent="host:  ")
    found = re.search(FORWARDED, forwarded)
    assert found
    return int(found[1])


def _fetch(guest: Guest, files: FileServer, content: bytes) -> bool:
    curl = f"curl -fsS --socks5-hostname {PROXY} -o /tmp/file -w '%{{speed_download}}' {files.url}"
    speed = float(_in_guest(guest, curl, show=False))
    received = _in_guest(guest, "sha256sum /tmp/file").split()[0]
    right = received == sha256(content)
    _out(f"{sha256(content)}  on the host: {_verdict(right)}")
    _out(f"download of {SIZE >> 20} MiB: {speed / 1e6:.1f} MB/s")
    return right


def _push(guest: Guest, files: FileServer, content: bytes) -> bool:
    curl = f"curl -fsS --socks5-hostname {PROXY} -T /tmp/file -w ' %{{speed_upload}}' {files.url}"
    received, speed = _in_guest(guest, curl, show=False).split()
    right = received == sha256(content)
    _out(f"{received}  received on the host: {_verdict(right)}")
    _out(f"upload of {SIZE >> 20} MiB: {float(speed) / 1e6:.1f} MB/s")
    return right


def _verdict(right: bool) -> str:
    return "the same" if right else "NOT THE SAME"


def _by_ssh(image: Image, port: int, command: str) -> None:
    _out(f"host$  ssh -p {port} root@127.0.0.1 '{command}'")
    with closing(SSH(Access(port, "root", image.key, image.host_key))) as ssh:
        _out(ssh.run(command, 60).stdout.rstrip())


def _in_guest(guest: Guest, command: str, *, show: bool = True) -> str:
    _out(f"guest$ {command}")
    output = guest.succeed(command, timeout=300)
    if show and output:
        _out(output.rstrip())
    return output


def _in_guest_failing(guest: Guest, command: str) -> None:
    _out(f"guest$ {command}")
    _out(guest.fail(command).stderr.rstrip())


def _wait(log: Transcript, pattern: str) -> None:
    log.wait(pattern, timeout=60, failing=("error:", "Traceback"))


def _title(text: str) -> None:
    _out(f"\n== {text}")


def _out(text: str, indent: str = "") -> None:
    say("\n".join(indent + line for line in text.splitlines()), sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
