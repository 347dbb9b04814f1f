"""A domain that libvirt runs: by libvirt's own calls, so that it knows of all that is done."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from vsocks.channel.libvirt import OURS, UnixChannel, unix_channels
from vsocks.channel.lock import ChannelLock
from vsocks.channel.spec import DEFAULT_PORT_NAME, ChannelSpec
from vsocks.errors import ChannelError, UnavailableError

from .agent import Agent
from .attached_vm import AttachedVM, AttachError, found
from .faults import UNPLUGGED
from .guest import POLL
from .libvirt_way import LibvirtAgent, LibvirtMonitor, libvirt_errors
from .qmp import Monitor
from .spec import Port

PORT = f"<channel type='unix'><target type='virtio' name='{DEFAULT_PORT_NAME}'/></channel>"
NO_PACKAGE = (
    "a machine of libvirt's needs its Python package: apt install python3-libvirt, or pip install "
    "'vsocks[libvirt]'"
)
NO_PORT = (
    "the domain has no channel of type unix named {name}: <channel type='unix'><target "
    "type='virtio' name='{name}'/></channel> in its <devices>, by virsh edit, and a new start"
)


class AttachedDomain(AttachedVM):
    """A domain by its name; the connection to libvirt is one that may change things."""

    def __init__(self, name: str, uri: str, *, plug: bool) -> None:
        super().__init__()
        self._name = name
        self._uri = uri
        self._plug_in = plug

    def _take(self, undo: ExitStack) -> None:
        try:
            import libvirt
        except ModuleNotFoundError:
            raise AttachError(NO_PACKAGE) from None
        # Else libvirt writes each error to stderr.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        with libvirt_errors():
            connection = libvirt.open(self._uri or None)
            undo.callback(connection.close)
            self._connection = connection
            self._domain = connection.lookupByName(self._name)
            undo.callback(self._lock().close)
            self._monitor = LibvirtMonitor(self._domain, self.folder / "qmp.log")
            state = self._domain.state()[0]
            if state not in {libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED}:
                raise AttachError(
                    f"libvirt's domain {self._name} isn't running: virsh start {self._name}"
                )
            undo.callback(self.pause if state == libvirt.VIR_DOMAIN_PAUSED else self.make_run)
            self.make_run()
            if self._plug_in and not any(port.name.startswith(OURS) for port in self._channels()):
                self._add_port(undo)
            self.spec = found(Port(port.name, port.id) for port in self._channels())

    @property
    def qmp(self) -> Monitor:
        """QEMU's monitor, by libvirt, which tells no events."""
        return self._monitor

    def agent(self, patience: float) -> Agent:
        """By libvirt, which has the agent's port."""
        try:
            return LibvirtAgent(self._domain, patience)
        except OSError as error:
            raise AttachError(f"{error}: is qemu-guest-agent running in the guest?") from None

    def make_run(self) -> None:
        """Let its processors go on, if they don't."""
        import libvirt

        with libvirt_errors():
            if self._domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                self._domain.resume()

    def pause(self) -> None:
        """Stop its processors."""
        with libvirt_errors():
            self._domain.suspend()

    def resume(self) -> float:
        """Let them go on; the time (`time.monotonic()`) at which they did."""
        with libvirt_errors():
            self._domain.resume()
        return time.monotonic()

    def reset(self) -> None:
        """The reset button."""
        with libvirt_errors():
            self._domain.reset()

    def inject_nmi(self) -> None:
        """Interrupt the guest in a way that it can't mask."""
        with libvirt_errors():
            self._domain.injectNMI()

    def screenshot(self, path: Path) -> None:
        """Write what the screen shows, as libvirt gives it: a PNG, of an old one a PPM."""
        with libvirt_errors(), path.open("wb") as file:
            stream = self._connection.newStream(0)
            self._domain.screenshot(stream, 0, 0)
            stream.recvAll(lambda _stream, data, _: file.write(data), None)
            stream.finish()

    def socket(self, port: Port | None = None) -> Path:
        """The host's end of a port, that of vsocks by default."""
        return Path(self._channel(port).path)

    def port_is_open(self, port: Port | None = None) -> bool:
        """Whether a program in the guest has the port open at this moment."""
        return self._channel(port).is_open

    def _lock(self) -> ChannelLock:
        """Of the domain, against others who attach to it in this way."""
        try:
            return ChannelLock("harness", ChannelSpec("libvirt", self._domain.UUIDString()))
        except ChannelError:
            raise AttachError(
                f"another program has attached to libvirt's domain {self._name}: one can at a time"
            ) from None

    def _channels(self) -> list[UnixChannel]:
        with libvirt_errors():
            return list(unix_channels(self._domain))

    def _channel(self, port: Port | None) -> UnixChannel:
        name = port.name if port else self.first
        for channel in self._channels():
            if channel.name == name:
                return channel
        raise AttachError(NO_PORT.format(name=name))

    def _add_port(self, undo: ExitStack) -> None:
        import libvirt

        try:
            with libvirt_errors():
                self._domain.attachDeviceFlags(PORT, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        except UnavailableError as error:
            raise AttachError(
                f"{NO_PORT.format(name=DEFAULT_PORT_NAME)}; and none could be added: {error}"
            ) from None
        undo.callback(self._remove_port)

    def _remove_port(self) -> None:
        import libvirt

        deadline = time.monotonic() + UNPLUGGED
        [added] = [port for port in self._channels() if port.name == DEFAULT_PORT_NAME]
        with libvirt_errors():
            self._domain.detachDeviceAlias(added.id, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        while added.id in {port.id for port in self._channels()}:
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"libvirt has not taken the port away within {UNPLUGGED:g} s; try virsh "
                    f"detach-device-alias {self._name} {added.id}"
                )
            time.sleep(POLL)
