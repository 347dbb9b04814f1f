"""Makes an installed Windows a guest for the tests; run once, by first-logon.cmd.

`plan()` says what is done, as data; `main()` does it. Everything that a command prints goes to the
serial console, too: if something fails, the host has the reason.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from .evaluation import evaluation_minutes, licence
from .tell import tell

HOME = PureWindowsPath(r"C:\vsocks")
OPENSSH = PureWindowsPath(r"C:\Program Files\OpenSSH")
SSH_DATA = PureWindowsPath(r"C:\ProgramData\ssh")
AUTHORIZED = SSH_DATA / "administrators_authorized_keys"
PORT = r"\\.\Global\org.vsocks.0"
ADMINISTRATORS, SYSTEM = "*S-1-5-32-544", "*S-1-5-18"  # their names depend on the language
WINLOGON = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
NO_NETWORK_PROMPT = r"HKLM\SYSTEM\CurrentControlSet\Control\Network\NewNetworkWindowOff"


@dataclass(frozen=True)
class Step:
    """A named part of the work: commands, and what each may end with."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    good: frozenset[int] = frozenset({0})


class ProvisionError(Exception):
    """A step failed."""


def driver(disc: PureWindowsPath) -> Step:
    """The driver of the virtio-serial port."""
    # 259: it is there already; 3010: installed, wants a reboot.
    install = ("pnputil.exe", "/add-driver", str(disc / "vioser.inf"), "/install")
    return Step("driver", (install,), frozenset({0, 259, 3010}))


def openssh(built_in: bool) -> list[Step]:
    """The SSH server: there, started with Windows, open to all network profiles."""
    script = f"& '{OPENSSH / 'install-sshd.ps1'}' -Confirm:$false"
    shell = ("powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass")
    install = Step("openssh", ((*shell, "-Command", script),))
    rule = ("dir=in", "action=allow", "protocol=TCP", "localport=22", "profile=any")
    set_up = Step(
        "sshd",
        (
            ("sc.exe", "config", "sshd", "start=", "auto"),
            ("sc.exe", "failure", "sshd", "reset=", "0", "actions=", "restart/5000"),
            # The rule of Server 2025 leaves public networks out; ours has none to ask.
            ("netsh.exe", "advfirewall", "firewall", "add", "rule", "name=vsocks-ssh", *rule),
        ),
    )
    # 2: it runs already. Its first start makes its folder and its host keys.
    # What runs a command must be cmd. 1: nothing else was set.
    forget = ("reg.exe", "delete", r"HKLM\SOFTWARE\OpenSSH", "/v", "DefaultShell", "/f")
    cmd = Step("sshd-shell", (forget,), frozenset({0, 1}))
    start = Step("sshd-start", (("net.exe", "start", "sshd"),), frozenset({0, 2}))
    return [*([] if built_in else [install]), set_up, cmd, start]


def key_permissions() -> Step:
    """OpenSSH ignores the file of keys if anybody else may write to it."""
    grants = (f"{ADMINISTRATORS}:F", f"{SYSTEM}:F")
    change = ("icacls.exe", str(AUTHORIZED), "/inheritance:r", "/grant", grants[0], "/grant")
    return Step("key-permissions", ((*change, grants[1]),))


def quiet() -> Step:
    """Nothing sleeps, updates itself, expires or asks; no repair after the plug was pulled."""
    return Step(
        "quiet",
        (
            ("powercfg.exe", "/change", "standby-timeout-ac", "0"),
            ("powercfg.exe", "/change", "monitor-timeout-ac", "0"),
            ("powercfg.exe", "/hibernate", "off"),
            ("bcdedit.exe", "/set", "{current}", "bootstatuspolicy", "ignoreallfailures"),
            ("bcdedit.exe", "/set", "{current}", "recoveryenabled", "no"),
            ("sc.exe", "config", "wuauserv", "start=", "disabled"),
            ("net.exe", "accounts", "/maxpwage:unlimited"),
            ("reg.exe", "add", WINLOGON, "/v", "AutoAdminLogon", "/d", "0", "/f"),
            ("reg.exe", "add", NO_NETWORK_PROMPT, "/f"),
        ),
    )


def boot_task() -> Step:
    """boot.cmd at every boot, as SYSTEM, whether or not anybody logs on."""
    task = ("schtasks.exe", "/create", "/tn", "vsocks-boot", "/sc", "onstart", "/ru", "SYSTEM")
    return Step("boot-task", ((*task, "/rl", "highest", "/tr", str(HOME / "boot.cmd"), "/f"),))


def activation() -> Step:
    """An evaluation has to be activated by Microsoft's servers to run for its whole time."""
    slmgr = r"C:\Windows\System32\slmgr.vbs"
    return Step("activation", (("cscript.exe", "//nologo", slmgr, "/ato"),))


def perform(step: Step) -> None:
    """Run the commands of a step; raise ProvisionError at the first that fails."""
    for command in step.commands:
        print(">", subprocess.list2cmdline(command), flush=True)
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
            timeout=600,
            check=False,
        )
        for line in ended.stdout.splitlines():
            if line.strip():
                tell(f"| {line.rstrip()}")
        if ended.returncode not in step.good:
            raise ProvisionError(f"{command[0]} ended with status {ended.returncode}")
    tell(f"reached {step.name}")


def unpack_openssh(archive: Path) -> None:
    """The zip has everything in one folder, whose name becomes the usual one."""
    target = Path(OPENSSH)
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(target.parent)
    unpacked = target.parent / "OpenSSH-Win64"
    if target.exists():
        shutil.rmtree(target)
    unpacked.rename(target)


def authorize(keys: Path, home: Path) -> None:
    """Add the keys to an account's own, too: some boxes' servers look there alone."""
    file = home / ".ssh" / "authorized_keys"
    file.parent.mkdir(exist_ok=True)
    there = file.read_text() if file.exists() else ""
    file.write_text(f"{there.rstrip()}\n{keys.read_text()}".lstrip())


def wait_for_port(path: str = PORT, seconds: float = 120) -> None:
    """Wait until the driver offers the port, by opening it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            _open_and_close(path)
        except OSError as error:
            if time.monotonic() > deadline:
                raise ProvisionError(f"{path} does not open: {error}") from None
            time.sleep(1)
        else:
            tell("reached port")
            return


def _open_and_close(path: str) -> None:
    if sys.platform == "win32":
        import _winapi  # open() refuses devices of a type that the C library does not know

        access = _winapi.GENERIC_READ | _winapi.GENERIC_WRITE
        _winapi.CloseHandle(_winapi.CreateFile(path, access, 0, 0, _winapi.OPEN_EXISTING, 0, 0))
    else:
        Path(path).open("r+b", buffering=0).close()


def provision(
    disc: Path, *, built_in: bool, activate: bool, install_driver: bool = True, account: str = ""
) -> None:
    """Everything, in order."""
    if install_driver:
        perform(driver(PureWindowsPath(disc)))
    wait_for_port()
    if not built_in:
        unpack_openssh(disc / "openssh.zip")
    for step in openssh(built_in):
        perform(step)
    shutil.copyfile(disc / "authorized_keys", AUTHORIZED)
    perform(key_permissions())
    if account:
        authorize(disc / "authorized_keys", Path(r"C:\Users") / account)
    tell("host-key " + Path(SSH_DATA / "ssh_host_ed25519_key.pub").read_text().strip())
    shutil.copyfile(disc / "boot.cmd", HOME / "boot.cmd")
    perform(quiet())
    perform(boot_task())
    if activate:
        perform(activation())
    tell(f"licence {licence()}")
    tell(f"evaluation-minutes {evaluation_minutes()}")


def main(arguments: Sequence[str]) -> int:
    """Provision as settings.json on the disc says, and switch the machine off."""
    file = Path(arguments[0])
    settings = json.loads(file.read_text())
    try:
        provision(
            file.parent,
            built_in=settings["openssh"] == "built-in",
            activate=bool(settings["activate"]),
            install_driver=bool(settings["driver"]),
            account=settings["account"],
        )
    except Exception as error:
        tell(f"failed: {error!r}")
        raise
    tell("reached provisioned")
    subprocess.run(["shutdown.exe", "/s", "/t", "0", "/f"], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
