"""Which Windows: what the recipe needs to know of one edition, from `vm/windows/profiles`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from ..places import RECIPES
from .machine import Firmware

RECIPE = RECIPES / "windows"
PROFILES = RECIPE / "profiles"

OpenSSH = Literal["zip", "built-in"]


class ProfileError(ValueError):
    """The profile does not exist, or a setting in it is missing, unknown or wrong."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One edition of Windows."""

    name: str
    """Of the file, without `.toml`."""
    title: str
    """For people."""
    client: bool
    """Windows 10 or 11, with their other rules for accounts and hardware; else a server."""
    image_index: int
    """The number of the edition in the ISO's `sources/install.wim`."""
    language: str
    """Of the ISO: Setup asks, and waits for ever, when the answer file names another one."""
    driver: str
    """The folder of `vioserial` on the virtio-win ISO."""
    openssh: OpenSSH
    """Where the SSH server comes from: a Win32-OpenSSH zip, or the system itself."""
    evaluation_days: int
    """How long the evaluation runs once it is activated; 0 if it is none."""
    memory_mb: int
    cpus: int
    disk_gb: int
    secure_boot: bool = False
    """Whether its machine has Secure Boot and a TPM 2.0."""
    product_key: str = ""
    """For an ISO that is no evaluation. An evaluation has its own."""

    @property
    def firmware(self) -> Firmware:
        """That of its machine."""
        return Firmware.SECURE if self.secure_boot else Firmware.PLAIN

    @property
    def account(self) -> str:
        """Who logs on first, and by SSH.

        A client's own Administrator is switched off; Setup wants a local account to be made.
        """
        return "vsocks" if self.client else "Administrator"


def names() -> list[str]:
    """The profiles there are."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def load(name: str) -> Profile:
    """The profile `vm/windows/profiles/NAME.toml`."""
    path = PROFILES / f"{name}.toml"
    if not path.is_file():
        raise ProfileError(f"no profile {name!r} in {PROFILES}: there are {', '.join(names())}")
    return parse(name, path)


def parse(name: str, path: Path) -> Profile:
    """Read a profile; every setting is checked, so that nothing goes wrong half an hour later."""
    try:
        settings = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{path}: {error}") from None
    kinds = {"bool": bool, "int": int, "str": str, "OpenSSH": str}
    wanted = {field.name: kinds[str(field.type)] for field in fields(Profile)}
    del wanted["name"]
    optional = {"product_key", "secure_boot"}
    if unknown := settings.keys() - wanted.keys():
        raise ProfileError(f"{path}: unknown: {', '.join(sorted(unknown))}")
    if missing := wanted.keys() - settings.keys() - optional:
        raise ProfileError(f"{path}: missing: {', '.join(sorted(missing))}")
    for key, value in settings.items():
        if type(value) is not wanted[key]:
            raise ProfileError(f"{path}: {key} = {value!r} is not of type {wanted[key].__name__}")
    if settings["openssh"] not in get_args(OpenSSH):
        raise ProfileError(f"{path}: openssh = {settings['openssh']!r}: {get_args(OpenSSH)}")
    return Profile(name=name, **settings)
