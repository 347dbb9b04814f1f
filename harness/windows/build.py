"""Building a Windows image, unattended, from an installation ISO."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ..accel import Choice, choose_by_boot, qemu_version
from ..cache import cache_folder, hash_of_tree, made
from ..places import HERE
from ..programs import need
from ..progress import say, step
from ..spec import Accel
from ..transcript import Line
from .answer import answer_file, password
from .evidence import Evidence
from .image import IMAGES, PREFIX, ImageError, WindowsImage, open_image, windows_spec
from .install import boot, install
from .iso import Contents, driver_folder, sha256, volume_label, write_disc
from .machine import Firmware, WindowsSpec
from .parts import new_parts
from .profile import RECIPE, Profile
from .record import Record, RecordError, expiry, read
from .settings import faults

FIRMWARE_SIGN = r"BdsDxe: "
"""What OVMF says under an accelerator that works, whatever it then boots."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What an image is built from."""

    windows_iso: Path
    virtio_win_iso: Path
    openssh_zip: Path | None = None
    activate: bool = False
    windows_sha256: str = ""
    """What the ISO's checksum must be, if that is known."""

    def checksums(self) -> dict[str, str]:
        """SHA-256 of each file, by what it is; ImageError if Windows' isn't what it must be."""
        files = {"windows": self.windows_iso, "virtio-win": self.virtio_win_iso}
        if self.openssh_zip:
            files["openssh"] = self.openssh_zip
        found = {name: sha256(path) for name, path in files.items()}
        if self.windows_sha256 and found["windows"] != self.windows_sha256.lower():
            raise ImageError(
                f"the SHA-256 of {self.windows_iso} is {found['windows']}, "
                f"not {self.windows_sha256}: another file, or a damaged one"
            )
        return found


def choose_accel() -> Choice:
    """KVM if the firmware has just come up under it, else TCG."""
    with tempfile.TemporaryDirectory(prefix="vsocks-kvm-") as name:
        parts = new_parts(Path(name), 1, Firmware.PLAIN)
        trial = windows_spec(parts, Accel.KVM, 512, 2, Firmware.PLAIN)
        return choose_by_boot(trial, FIRMWARE_SIGN)


def build_image(profile: Profile, sources: Sources) -> WindowsImage:
    """Build an image, or return the one that was built of the same things before."""
    check_sources(profile, sources)
    with step("checksums of what it is made from"):
        checksums = sources.checksums()
    folder = cache_folder() / IMAGES / image_name(profile, checksums)
    made(folder, lambda unfinished: _build(unfinished, profile, sources, checksums))
    try:
        return open_image(folder)
    except RecordError:
        raise ImageError(f"{folder} is no image; remove it and build again") from None


def image_name(profile: Profile, checksums: Mapping[str, str]) -> str:
    """After all that goes into it: the same name is the same image."""
    inputs = f"{hash_of_tree(RECIPE)} {hash_of_tree(HERE / 'windows' / 'inside')}"
    digest = _short_hash(f"{inputs} {profile} {sorted(checksums.items())}")
    return f"{PREFIX}{profile.name}-{digest}"


def check_sources(profile: Profile, sources: Sources) -> None:
    """Say what is missing or wrong before anything takes long."""
    need_firmware(profile.firmware)
    files = [sources.windows_iso, sources.virtio_win_iso]
    if profile.openssh == "zip":
        if not sources.openssh_zip:
            raise ImageError(
                f"{profile.title} has no SSH server: OPENSSH_ZIP=… (OpenSSH-Win64.zip from "
                "https://github.com/PowerShell/Win32-OpenSSH/releases) is needed"
            )
        files.append(sources.openssh_zip)
    for path in files:
        if not path.is_file():
            raise ImageError(f"there is no file {path}")
    say(f"-> {profile.title}, from {volume_label(sources.windows_iso)!r}")


def need_firmware(firmware: Firmware) -> None:
    """Say how to get what a machine needs, before it is built. Raises ImageError, too."""
    for path in (firmware.code, firmware.variables):
        if not path.is_file():
            raise ImageError(f"there is no {path}. On Debian or Ubuntu: apt-get install ovmf")
    if firmware is Firmware.SECURE:
        need("swtpm")


def _build(folder: Path, profile: Profile, sources: Sources, checksums: dict[str, str]) -> None:
    from ..exe.python import windows_python

    evidence = Evidence(cache_folder() / "windows-build")
    choice = choose_accel()
    say(f"   under {choice}; console and screenshots: {evidence.folder}")
    secret = password()
    write_secret(folder / "password", secret)
    public_key = make_key(folder / "id_ed25519")
    answer = answer_file(profile, secret)
    if wrong := faults(answer, profile):
        raise ImageError("the answer file is not complete:\n" + "\n".join(wrong))
    disc, driver = folder / "provision.iso", folder / "driver"
    with step("the provisioning disc"):
        driver_folder(sources.virtio_win_iso, profile, driver)
        contents = Contents(
            profile,
            answer,
            windows_python(),
            driver,
            public_key,
            sources.openssh_zip if profile.openssh == "zip" else None,
            sources.activate,
        )
        write_disc(contents, disc)
    spec = new_machine(folder, profile, Accel(choice.accel), (sources.windows_iso, disc))
    if sources.activate:
        spec = replace(spec, to_the_internet=True)
    built = datetime.now(UTC)
    lines = install(spec, evidence)
    # The disc has the password in it, and nothing needs it any more.
    disc.unlink()
    shutil.rmtree(driver)
    record_of(profile, spec, lines, built, checksums).write(folder)
    with step("booting what was installed"):
        image = WindowsImage(folder, read(folder))
        boot(image.spec(spec.accel, image.parts.layer(folder / "try")), evidence)
        shutil.rmtree(folder / "try")


def new_machine(
    folder: Path, profile: Profile, accel: Accel, discs: tuple[Path, ...]
) -> WindowsSpec:
    """A machine with an empty disk and fresh variables of the firmware, both in `folder`."""
    parts = new_parts(folder, profile.disk_gb, profile.firmware)
    spec = windows_spec(parts, accel, profile.memory_mb, profile.cpus, profile.firmware)
    return replace(spec, cdroms=discs)


def record_of(
    profile: Profile,
    spec: WindowsSpec,
    lines: Mapping[str, Line],
    built: datetime,
    checksums: dict[str, str],
) -> Record:
    """The record of an installation that has said all it had to."""
    minutes = lines["evaluation"].text.split()[-1]
    expires, source = expiry(built, minutes, profile.evaluation_days)
    return Record(
        profile=profile.name,
        account=profile.account,
        built=built.isoformat(),
        expires=expires,
        expiry_source=source,
        host_key=lines["host-key"].text.split()[3],
        checksums=checksums,
        qemu=qemu_version(),
        accel=spec.accel.value,
        memory_mb=spec.memory_mb,
        cpus=spec.cpus,
        firmware=spec.firmware.name,
        disk_bus=spec.disk_bus,
    )


def make_key(path: Path) -> str:
    """A new ed25519 key without a passphrase at `path`; the public half."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vsocks", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.with_name(path.name + ".pub").read_text()


def write_secret(path: Path, text: str) -> None:
    """A file that only its owner may read, from the first moment on."""
    path.touch(mode=0o600)
    path.write_text(text + "\n")


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
