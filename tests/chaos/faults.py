"""What can happen to a machine, its port and the two daemons, and what must be true afterwards."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from harness.debian import Debian
from harness.relay import Relay
from tests.e2e.rig import LOST, SOON, START, UP, Client, Rig

PANIC = "Kernel panic"
MOST_BYTES = 2_000_000
"""A cut comes after so many at most."""
JUMPS = (-86_400, 86_400)
"""Seconds by which the guest's clock is set at most."""
SQUEEZE = (100, 500)
"""Megabytes that are taken from the guest, of 1024."""
HANGS = (1.5, 9.0)
"""Seconds; a session is given up after 5 of silence."""
SLOW = 200_000
"""Bytes a second."""


class Chaos:
    """A rig with both daemons in session, before and after each fault."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.dice = random.Random(seed)
        self._guest, self._host = rig.start_both()
        self._faults: list[Callable[[], None]] = [
            *(self.guest_daemon_killed, self.host_daemon_killed),
            *(self.port_unplugged, self.controller_unplugged, self.chardev_taken),
            *(self.cut_at_any_byte, self.slow_for_a_while),
            *(self.paused, self.clock_set, self.put_back_to_a_snapshot, self.migrated),
            *(self.put_back_to_an_old_snapshot, self.squeezed),
            *(self.guest_daemon_hung, self.guest_hung, self.qemu_hung),
            *(self.crashed, self.reset, self.qemu_killed),
        ]

    def next(self) -> str:
        """Draw a fault, make it under traffic, check what came of it; says what and how long."""
        fault = self.dice.choice(self._faults)
        client = self.rig.transfer_without_end()
        self._mark = self._host.log.mark()
        began = time.monotonic()
        self._client: Client | None = client
        self._is_lost = False
        fault()
        if self._client and self._is_lost:
            self.rig.check_old_connections_closed(self._client)
        elif self._client:
            self._client.process.kill()
        self.rig.target.wait_all_ended(SOON)
        self.rig.check_transfers_work()
        return f"{fault.__name__.replace('_', ' ')}: {time.monotonic() - began:.1f} s"

    def guest_daemon_killed(self) -> None:
        self._guest.kill()
        self._guest = self.rig.start_guest()
        self._session_again()

    def host_daemon_killed(self) -> None:
        self._host.kill()
        self._start_host()

    def port_unplugged(self) -> None:
        self.rig.vm.unplug_port()
        self.rig.vm.plug_port()
        self._session_again()

    def controller_unplugged(self) -> None:
        self.rig.vm.unplug_controller()
        self.rig.vm.plug_controller()
        self._session_again()

    def chardev_taken(self) -> None:
        self.rig.vm.take_chardev()
        self.rig.vm.give_chardev()
        self._session_again()

    def cut_at_any_byte(self) -> None:
        with self._relay() as relay:
            client = self.rig.transfer_without_end()
            self._mark = self._host.log.mark()
            relay.cut_after(self.dice.randrange(MOST_BYTES))
            self._session_again()
            self.rig.check_old_connections_closed(client)
            self._host.kill("TERM")
        self._start_host()

    def slow_for_a_while(self) -> None:
        with self._relay() as relay:
            relay.rate, relay.delay = SLOW, self.dice.uniform(0, 0.2)
            client = self.rig.client("BOTH", length=SLOW)
            [ended] = client.wait("ended", timeout=START)
            assert (ended["how"], ended["wrong"]) == ("eof", ""), ended
            relay.rate, relay.delay = 0, 0
            self._host.kill("TERM")
        self._start_host()

    def paused(self) -> None:
        is_long = self.dice.choice((False, True))
        self.rig.vm.pause()
        if is_long:
            self._host.log.wait(LOST, timeout=SOON, after=self._mark)
        self.rig.vm.resume()
        if is_long:
            self._session_again()

    def clock_set(self) -> None:
        self._set_clock_by(self.dice.randint(*JUMPS))

    def put_back_to_a_snapshot(self) -> None:
        assert self._client
        self._client.process.kill()
        self._client = None
        self.rig.vm.save_snapshot("chaos")
        self.rig.transfer_without_end()
        self.rig.vm.load_snapshot("chaos")
        self._session_again()
        self.rig.vm.delete_snapshot("chaos")
        self.rig.reach_again()
        self.rig.follow_again(self._guest)

    def put_back_to_an_old_snapshot(self) -> None:
        age = self.dice.randint(0, JUMPS[1])
        self._set_clock_by(-age)
        self.put_back_to_a_snapshot()
        self._set_clock_by(age)

    def squeezed(self) -> None:
        self.rig.guest.succeed("modprobe virtio_balloon")
        with self.rig.vm.squeezed(self.dice.randint(*SQUEEZE)):
            self.rig.check_transfers_work()

    def guest_daemon_hung(self) -> None:
        self._guest.kill("STOP")
        self._host.log.wait(LOST, timeout=START, after=self._mark)
        self._guest.kill("CONT")
        self._session_again()

    def guest_hung(self) -> None:
        seconds = self.dice.choice(HANGS)
        assert isinstance(self.rig.guest, Debian)
        self.rig.guest.hang(seconds)
        if seconds == max(HANGS):
            self._session_again()

    def qemu_hung(self) -> None:
        self.rig.vm.freeze()
        self._host.log.wait(LOST, timeout=START, after=self._mark)
        self.rig.vm.thaw()
        self._session_again()

    def migrated(self) -> None:
        self.rig.vm.migrate()
        self._session_again()
        self.rig.reach_again()
        assert self._client
        self.rig.follow_again(self._guest, self._client.process)

    def crashed(self) -> None:
        event, console = self.rig.vm.qmp.mark(), self.rig.vm.console.mark()
        self.rig.guest.start("crash", "sh -c 'sleep 1; echo c > /proc/sysrq-trigger'")
        self.rig.vm.console.wait(PANIC, timeout=SOON, after=console)
        console = self.rig.vm.console.mark()
        self.rig.vm.wait_until_reset(SOON, event)
        self._booted(console)

    def reset(self) -> None:
        console = self.rig.vm.console.mark()
        self.rig.vm.reset()
        self._booted(console)

    def qemu_killed(self) -> None:
        console = self.rig.vm.console.mark()
        self.rig.vm.cut_power()
        self.rig.vm.boot_again()
        self._booted(console)

    def _booted(self, console: int) -> None:
        """The guest has forgotten everything, the client in it too."""
        self.rig.vm.wait_until_booted(after=console)
        self.rig.reach_again()
        self._client = None
        self._guest = self.rig.start_guest()
        self._session_again()

    def _set_clock_by(self, seconds: int) -> None:
        self.rig.guest.succeed(f"date -s @$(($(date +%s) + {seconds}))")

    def _session_again(self) -> None:
        """The old session was lost, and another one stands."""
        lost = self._host.log.wait(LOST, timeout=START, after=self._mark)
        self._host.log.wait(UP, timeout=START, after=lost.number)
        self._is_lost = True

    def _start_host(self) -> None:
        self._host = self.rig.start_host()
        self._host.log.wait(UP, timeout=START)
        self._is_lost = True

    def _relay(self) -> Relay:
        """A relay by which a new host daemon has reached the guest."""
        self._host.kill("TERM")
        path = self.rig.vm.folder / f"relay-{self.dice.getrandbits(32):x}.sock"
        relay = Relay(path, self.rig.vm.socket())
        self._host = self.rig.start_host(channel=path)
        self._host.log.wait(UP, timeout=START)
        return relay
