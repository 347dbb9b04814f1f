"""What the answer file of each Windows must say, and why: the list that it is checked against.

Each line comes from Microsoft's reference or from a trap that others fell into. Without it Setup
stops with a dialog that nobody sees, or the machine that comes out is not the one wanted.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .answer import UNATTEND
from .profile import Profile

MAX_COMMAND = {"Path": 259, "CommandLine": 1024}
"""Characters that Setup takes of a command, by the name of its element."""


def everywhere(_: Profile) -> bool:
    """Every Windows needs it."""
    return True


def on_clients(profile: Profile) -> bool:
    """Windows 11 needs it."""
    return profile.client


def on_insecure_clients(profile: Profile) -> bool:
    """Windows 11 in a machine without TPM and Secure Boot needs it."""
    return profile.client and not profile.secure_boot


def on_servers(profile: Profile) -> bool:
    """Windows Server needs it."""
    return not profile.client


@dataclass(frozen=True, slots=True)
class Setting:
    """A text that must stand somewhere in the answer file. `text` is a regular expression."""

    where: str
    """configuration pass / component (without `Microsoft-Windows-`) / elements"""
    text: str
    why: str
    needed: Callable[[Profile], bool] = everywhere


SETUP = "windowsPE/Setup"
OOBE = "oobeSystem/Shell-Setup/OOBE"
ACCOUNTS = "oobeSystem/Shell-Setup/UserAccounts"
LAB = f"{SETUP}/RunSynchronous/RunSynchronousCommand/Path"
LANGUAGE = r"[a-z]{2}-[A-Z]{2}"

SETTINGS = (
    Setting(
        "windowsPE/International-Core-WinPE/SetupUILanguage/UILanguage",
        LANGUAGE,
        "else Setup asks for the language",
    ),
    Setting(
        "windowsPE/International-Core-WinPE/UILanguageFallback",
        LANGUAGE,
        "Setup of 24H2 asks for the language without it",
    ),
    Setting("windowsPE/International-Core-WinPE/InputLocale", LANGUAGE, "else it asks for it"),
    Setting("windowsPE/International-Core-WinPE/UserLocale", LANGUAGE, "else it asks for it"),
    Setting(f"{SETUP}/DiskConfiguration/Disk/WillWipeDisk", "true", "else it asks for a partition"),
    Setting(
        f"{SETUP}/DiskConfiguration/Disk/CreatePartitions/CreatePartition/Type",
        "EFI",
        "the firmware is UEFI",
    ),
    Setting(
        f"{SETUP}/DiskConfiguration/Disk/CreatePartitions/CreatePartition/Type",
        "MSR",
        "Windows on GPT wants this partition, second",
    ),
    Setting(f"{SETUP}/ImageInstall/OSImage/InstallTo/PartitionID", "3", "after EFI and MSR"),
    Setting(
        f"{SETUP}/ImageInstall/OSImage/InstallFrom/MetaData/Key",
        "/IMAGE/INDEX",
        "the numbers are the same on all ISOs, the names are not",
    ),
    Setting(
        f"{SETUP}/ImageInstall/OSImage/InstallFrom/MetaData/Value",
        r"[1-9]\d*",
        "else Setup asks for the edition",
    ),
    Setting(f"{SETUP}/UserData/AcceptEula", "true", "else Setup shows the licence"),
    Setting(
        f"{SETUP}/UserData/ProductKey/WillShowUI",
        "OnError",
        "else Setup may ask for a key; an evaluation has its own, and needs no <Key>",
    ),
    Setting(f"{SETUP}/DynamicUpdate/Enable", "false", "there is no network to look for updates in"),
    Setting(LAB, r".*BypassTPMCheck.*", "the machine has no TPM", on_insecure_clients),
    Setting(LAB, r".*BypassSecureBootCheck.*", "nor Secure Boot", on_insecure_clients),
    Setting(LAB, r".*BypassRAMCheck.*", "a small machine may have too little", on_clients),
    Setting(LAB, r".*BypassCPUCheck.*", "emulated processors are on no list", on_clients),
    Setting(LAB, r".*reached windows-pe>COM1.*", "a milestone"),
    Setting(
        "specialize/Deployment/RunSynchronous/RunSynchronousCommand/Path",
        r".*reached specialize>COM1.*",
        "a milestone",
    ),
    Setting(
        "specialize/Deployment/RunSynchronous/RunSynchronousCommand/Path",
        r".*\\OOBE /v BypassNRO .*",
        "else the first start waits for a network",
        on_clients,
    ),
    Setting(
        "specialize/ServerManager-SvrMgrNc/DoNotOpenServerManagerAtLogon",
        "true",
        "it would take the processor while we install",
        on_servers,
    ),
    Setting("specialize/Shell-Setup/ComputerName", r"[A-Z0-9-]{1,15}", "15 characters at most"),
    Setting("specialize/Shell-Setup/TimeZone", "UTC", "the machine's clock is UTC"),
    Setting("oobeSystem/International-Core/UILanguage", LANGUAGE, "else the first start asks"),
    Setting("oobeSystem/International-Core/InputLocale", LANGUAGE, "else the first start asks"),
    Setting("oobeSystem/International-Core/UserLocale", LANGUAGE, "else the first start asks"),
    Setting(
        "oobeSystem/SecureStartup-FilterDriver/PreventDeviceEncryption",
        "true",
        "24H2 encrypts the disk by itself",
        on_clients,
    ),
    Setting(f"{OOBE}/HideEULAPage", "true", "else the first start shows the licence"),
    Setting(f"{OOBE}/HideOnlineAccountScreens", "true", "else it asks for an account online"),
    Setting(f"{OOBE}/HideLocalAccountScreen", "true", "else a server asks for a password"),
    Setting(f"{OOBE}/HideWirelessSetupInOOBE", "true", "else it asks for a network"),
    Setting(f"{OOBE}/ProtectYourPC", "3", "else it asks what to send home"),
    Setting(
        f"{ACCOUNTS}/AdministratorPassword/Value", r"\S{12,}", "a server asks for it", on_servers
    ),
    Setting(
        f"{ACCOUNTS}/LocalAccounts/LocalAccount/Group",
        "Administrators",
        "the client's own Administrator is switched off; FirstLogonCommands and the virtio port "
        "are for administrators only",
        on_clients,
    ),
    Setting("oobeSystem/Shell-Setup/AutoLogon/Enabled", "true", "nobody is there to log on"),
    Setting("oobeSystem/Shell-Setup/AutoLogon/LogonCount", "1", "and not more often"),
    Setting("oobeSystem/Shell-Setup/AutoLogon/Password/Value", r"\S{12,}", "to log on with"),
    Setting(
        "oobeSystem/Shell-Setup/FirstLogonCommands/SynchronousCommand/CommandLine",
        r".*\\vsocks\\first-logon\.cmd.*",
        "starts all the rest",
    ),
)


def faults(answer: bytes, profile: Profile) -> list[str]:
    """Everything that is wrong with an answer file; nothing if it is all right."""
    try:
        root = ET.fromstring(answer)
    except ET.ParseError as error:
        return [f"not well-formed: {error}"]
    texts = dict[str, list[str]]()
    for where, element in _elements(root):
        texts.setdefault(where, []).append((element.text or "").strip())
    return [
        *_missing(texts, profile),
        *_empty_elements(root),
        *_not_filled_in(texts),
        *_bad_orders(root),
        *_too_long(texts),
        *_wrong_architecture(root),
    ]


def _missing(texts: dict[str, list[str]], profile: Profile) -> Iterator[str]:
    for setting in SETTINGS:
        found = texts.get(setting.where, [])
        if setting.needed(profile) and not any(re.fullmatch(setting.text, it) for it in found):
            yield f"{setting.where} must be {setting.text} ({setting.why}); found {found}"


def _empty_elements(root: ET.Element) -> Iterator[str]:
    """For instance `<Key/>`, at which Setup of 2019 and 2022 stops."""
    for where, element in _elements(root):
        if not len(element) and not (element.text or "").strip():
            yield f"{where} is empty"


def _not_filled_in(texts: dict[str, list[str]]) -> Iterator[str]:
    for text in (text for found in texts.values() for text in found):
        if "${" in text:
            yield f"a name was not filled in: {text}"


def _bad_orders(root: ET.Element) -> Iterator[str]:
    for where, parent in _elements(root):
        orders = [int(it.findtext(f"{{{UNATTEND}}}Order", "0")) for it in parent]
        if any(orders) and orders != list(range(1, len(orders) + 1)):
            yield f"{where}: Order is {orders}, not 1, 2, 3…"


def _too_long(texts: dict[str, list[str]]) -> Iterator[str]:
    for where, found in texts.items():
        limit = MAX_COMMAND.get(where.rpartition("/")[2])
        if limit and any(len(text) > limit for text in found):
            yield f"{where}: Setup takes {limit} characters at most"


def _wrong_architecture(root: ET.Element) -> Iterator[str]:
    for component in root.iter(f"{{{UNATTEND}}}component"):
        if component.get("processorArchitecture") != "amd64":
            yield f"component {component.get('name')} is not for amd64"


def _elements(root: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    """All elements below the root, with their place as in `Setting.where`."""

    def walk(parent: ET.Element, place: str) -> Iterator[tuple[str, ET.Element]]:
        for child in parent:
            name = child.get("pass") or child.get("name") or child.tag.rpartition("}")[2]
            where = f"{place}/{name.removeprefix('Microsoft-Windows-')}".lstrip("/")
            yield where, child
            yield from walk(child, where)

    yield from walk(root, "")
