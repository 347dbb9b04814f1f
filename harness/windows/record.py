"""What is known of an image: how it was made, and until when its Windows may be used."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .machine import DiskBus, Firmware

NAME = "record.json"
SOON = timedelta(days=7)


class ExpiredError(Exception):
    """The evaluation is over: such a Windows switches itself off every hour."""


class RecordError(Exception):
    """The record is not there, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Record:
    """Kept beside the disk as JSON. Times are UTC, in ISO 8601."""

    profile: str
    account: str
    built: str
    expires: str
    """Empty if it is no evaluation."""
    expiry_source: str
    """Where the date comes from: what Windows told, or the profile."""
    host_key: str
    """The sshd's public key, base64, without the type in front."""
    checksums: dict[str, str]
    """SHA-256 of what the image was made from."""
    qemu: str
    accel: str
    memory_mb: int
    cpus: int
    firmware: str = Firmware.PLAIN.name
    disk_bus: DiskBus = "ahci"

    def write(self, folder: Path) -> None:
        """Save it in the image's folder."""
        (folder / NAME).write_text(json.dumps(asdict(self), indent=2) + "\n")


def read(folder: Path) -> Record:
    """The record in an image's folder."""
    try:
        return Record(**json.loads((folder / NAME).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise RecordError(f"{folder / NAME}: {error}") from error


def expiry(built: datetime, told_minutes: str, evaluation_days: int) -> tuple[str, str]:
    """When an image may not be used any more, and who says so.

    Windows tells the minutes that are left: of the evaluation if it was activated, else of the few
    days in which it wants to be. Without its word the profile's days count.
    """
    if told_minutes.isdecimal() and int(told_minutes) > 0:
        return (built + timedelta(minutes=int(told_minutes))).isoformat(), "told by Windows"
    if evaluation_days:
        return (built + timedelta(days=evaluation_days)).isoformat(), "the profile's days"
    return "", "no evaluation"


def check_expiry(record: Record, now: datetime | None = None) -> str:
    """A line about how long the image is good for; raise ExpiredError when it is not any more."""
    if not record.expires:
        return f"{record.profile} does not expire"
    now = now or datetime.now(UTC)
    left = datetime.fromisoformat(record.expires) - now
    if left <= timedelta(0):
        raise ExpiredError(
            f"the evaluation of {record.profile} was over at {record.expires} "
            f"({record.expiry_source}; built {record.built}): build it again with "
            f"`make windows-image PROFILE={record.profile} …`. `slmgr /xpr` in the guest says more."
        )
    warning = " - build it again soon" if left < SOON else ""
    return f"{record.profile} is good until {record.expires} ({left.days} days){warning}"
