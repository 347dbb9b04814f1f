"""A disk that is full for a while, under what the Windows program writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.exe.wine import Wine
from tests.integration.support.small_disk import small_disk
from tests.integration.wine.test_windows_suite import python

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500, func_only=True)]

FILLED_AND_EMPTIED = r"""
import logging, sys
from pathlib import Path
from vsocks.cli import logs
from vsocks.cli.log_file import LogFile

disk = Path(sys.argv[1])
handler = LogFile(disk / "guest.log", 1_000_000, older=1)
logs.configure(verbose=0, as_json=False, handlers=[handler])
log = logging.getLogger("vsocks.test")
log.info("before")
ballast = disk / "ballast"
with ballast.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
for number in range(200):
    log.info("while it is full: %s", number)
ballast.unlink()
log.info("after")
handler.close()
"""


def test_the_service_s_log_goes_on_when_there_is_room_again(own_wine: Wine, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        python(own_wine, tmp_path, "-c", FILLED_AND_EMPTIED, own_wine.windows_path(disk))
        lines = (disk / "guest.log").read_text().splitlines()
    assert lines[0].endswith("before")
    assert "lines of this log that could not be written: 1" in lines[-2]
    assert "No space left on device" in lines[-2]
    assert lines[-1].endswith("after")
