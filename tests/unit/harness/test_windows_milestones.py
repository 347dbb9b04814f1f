"""Watching an installation: consoles as they should be, and as they should not.

The firmware's lines are recorded ones; what Windows would say is written by hand.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from harness.transcript import Line, Transcript
from harness.windows.milestones import (
    BOOT,
    INSTALLATION,
    Milestone,
    MissedError,
    next_required,
    reached,
    watch,
)

pytestmark = pytest.mark.unit

GOOD = (Path(__file__).parent / "console-of-an-installation.txt").read_text()
SOME = (reached("a", 5), reached("b", 5, optional=True), reached("c", 5), reached("d", 5))


def console(text: str, *, ended: str = "") -> Transcript:
    it = Transcript("the console")
    it.feed(text.encode())
    if ended:
        it.end(ended)
    return it


def said(*names: str) -> str:
    return "".join(f"vsocks: reached {name}\r\n" for name in names)


def test_an_installation_is_followed_to_its_end() -> None:
    seen: list[tuple[int, str]] = []

    def note(number: int, milestone: Milestone, _: Line) -> None:
        seen.append((number, milestone.name))

    lines = watch(console(GOOD), INSTALLATION, note)
    names = [milestone.name for milestone in INSTALLATION if milestone.name != "activation"]
    assert [name for _, name in seen] == names
    assert list(lines) == names
    assert lines["evaluation"].text.split()[-1] == "259200"
    assert lines["host-key"].text.split()[3].startswith("AAAAC3NzaC1lZDI1NTE5")


@pytest.mark.parametrize(
    "missing",
    [milestone for milestone in INSTALLATION if not milestone.optional],
    ids=lambda m: m.name,
)
def test_a_console_that_falls_silent_is_told_with_the_milestone_it_did_not_reach(
    missing: Milestone,
) -> None:
    lines = GOOD.splitlines(keepends=True)
    until = next(at for at, line in enumerate(lines) if re.search(missing.pattern, line))
    with pytest.raises(MissedError) as failure:
        watch(console("".join(lines[:until])), INSTALLATION, patience=0)
    place = INSTALLATION.index(missing)
    wanted = {missing.name}
    while place and INSTALLATION[place - 1].optional:
        place -= 1
        wanted.add(INSTALLATION[place].name)
    assert failure.value.milestone.name in wanted
    assert "not within 0 s" in str(failure.value)


def test_optional_ones_may_be_left_out() -> None:
    assert list(watch(console(said("a", "c", "d")), SOME)) == ["a", "c", "d"]
    assert list(watch(console(said("a", "b", "c", "d")), SOME)) == ["a", "b", "c", "d"]


def test_required_ones_may_not() -> None:
    with pytest.raises(MissedError, match="milestone not reached: b"):
        watch(console(said("a", "b-not", "d"), ended="gone"), SOME)
    with pytest.raises(MissedError, match="milestone not reached: d"):
        watch(console(said("a", "c"), ended="gone"), SOME)


def test_order_matters() -> None:
    with pytest.raises(MissedError, match="milestone not reached: d"):
        watch(console(said("d", "a", "c"), ended="gone"), SOME)


@pytest.mark.parametrize(
    "failure",
    [
        "vsocks: failed: the checksum of vioser.sys on the provisioning disc is wrong",
        'BdsDxe: failed to start Boot0001 "UEFI QEMU DVD-ROM QM00003 " from PciRoot(0x0): Time out',
        'BdsDxe: starting Boot0003 "EFI Internal Shell" from Fv(7CB8BDC9)/FvFile(7C04A583)',
        'BdsDxe: starting Boot0000 "UiApp" from Fv(7CB8BDC9-F8EB-4F34)/FvFile(462CAA21-7614)',
        "BdsDxe: No bootable option or device was found.",
    ],
)
def test_a_failure_ends_the_waiting_at_once(failure: str) -> None:
    with pytest.raises(MissedError) as error:
        watch(console(said("a") + failure + "\n"), SOME)
    # Not only among its last lines, which a missed deadline shows as well.
    assert f"it said {failure!r}" in str(error.value)


def test_an_empty_disk_is_no_failure() -> None:
    passed = 'BdsDxe: failed to load Boot0002 "UEFI QEMU HARDDISK QM00001 ": Not Found\n'
    assert list(watch(console(passed + said("a", "c", "d")), SOME)) == ["a", "c", "d"]


def test_the_end_of_qemu_ends_the_waiting() -> None:
    with pytest.raises(MissedError, match=r"it has ended \(end of file\)"):
        watch(console(said("a"), ended="end of file"), SOME)


def test_the_firmwares_colours_before_a_line_do_no_harm() -> None:
    text = "\x1b[0m\x1b[37m\x1b[40m\rvsocks: reached a\n......vsocks: reached c\n" + said("d")
    assert list(watch(console(text), SOME)) == ["a", "c", "d"]


def test_what_a_command_prints_is_no_milestone() -> None:
    with pytest.raises(MissedError):
        watch(console("vsocks: | reached a\n", ended="gone"), SOME)


def test_deadlines_of_optional_ones_are_added() -> None:
    assert next_required(SOME, 0) == 0
    assert next_required(SOME, 1) == 2
    assert next_required((SOME[1],), 0) == 0


def test_it_waits_for_what_comes() -> None:
    it = Transcript("the console")
    threads = [
        threading.Timer(0.05 * at, it.feed, [said(name).encode()])
        for at, name in enumerate(("a", "c", "d"))
    ]
    for thread in threads:
        thread.start()
    assert list(watch(it, SOME)) == ["a", "c", "d"]


def test_a_boot_is_ready_when_sshd_greets() -> None:
    text = "vsocks: booting\r\nvsocks: ready\r\nvsocks: evaluation-minutes 1234\r\n"
    assert list(watch(console(text), BOOT)) == ["booting", "ready", "evaluation"]
