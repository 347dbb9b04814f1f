"""What Windows runs, signed with a certificate of the test's own; the program still starts."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

import vsocks
from harness.exe.archive import ArchiveError, with_file
from harness.exe.shipped import INSIDE, file_form, folder_files, write_distribution
from harness.exe.wine import Wine
from harness.msi import write_msi
from harness.signing import Signer, SigningError
from tests.integration.support import certificates
from tests.integration.support.certificates import Authority, time_stamping

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(180, func_only=True),
    pytest.mark.skipif(not shutil.which("osslsigncode"), reason="there is no osslsigncode"),
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return certificates.make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def signer(authority: Authority) -> Signer:
    return Signer(key=str(authority.pfx), password_file=str(authority.password))


def verified(authority: Authority, path: Path) -> str:
    """What osslsigncode says of a file; fails unless our authority vouches for it."""
    root = str(authority.root)
    checked = subprocess.run(
        ["osslsigncode", "verify", "-CAfile", root, "-TSA-CAfile", root, "-in", str(path)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = checked.stdout + checked.stderr
    assert checked.returncode == 0, said
    assert "CN=vsocks test signer" in said.replace("CN = ", "CN=")
    return said


def test_both_forms_and_what_one_has_inside(
    authority: Authority, signer: Signer, folder_form: Path, own_wine: Wine, tmp_path: Path
) -> None:
    exe, archive = write_distribution(tmp_path, signer)
    verified(authority, exe)
    with zipfile.ZipFile(archive) as opened:
        opened.extract("vsocks-guest/vsocks-guest.exe", tmp_path)
    verified(authority, tmp_path / "vsocks-guest" / "vsocks-guest.exe")
    told = own_wine.run(exe, "--version")
    assert told == f"vsocks-guest {vsocks.__version__}\n"
    # What it installs is signed as well, and starts.
    own_wine.run(exe, "service", "install", timeout=60)
    installed = own_wine.prefix / "drive_c" / "Program Files" / "vsocks" / "vsocks-guest.exe"
    verified(authority, installed)
    assert own_wine.run(installed, "--version") == told


def test_the_msi_and_the_program_in_it(
    authority: Authority, signer: Signer, folder_form: Path, own_wine: Wine, tmp_path: Path
) -> None:
    msi = write_msi(tmp_path, signer)
    verified(authority, msi)
    own_wine.run("msiexec", "/i", own_wine.windows_path(msi), "/qn", "START=0", timeout=120)
    installed = own_wine.prefix / "drive_c" / "Program Files" / "vsocks" / "vsocks-guest.exe"
    verified(authority, installed)


def test_a_time_stamp_outlives_the_certificate(authority: Authority, folder_form: Path) -> None:
    with time_stamping(authority) as url:
        signer = Signer(str(authority.pfx), password_file=str(authority.password), timestamp=url)
        signed = authority.folder / "stamped.exe"
        signed.write_bytes(signer.signed(folder_form.read_bytes(), ".exe"))
    assert "Timestamp Server Signature verification: ok" in verified(authority, signed)


def test_a_key_that_does_not_leave_its_token(
    authority: Authority, folder_form: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [*modules] = Path("/usr/lib").glob("**/libsofthsm2.so")
    if not modules or not shutil.which("softhsm2-util"):
        pytest.skip("there is no SoftHSM (package softhsm2)")
    config = tmp_path / "softhsm2.conf"
    (tmp_path / "tokens").mkdir()
    config.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(config))
    key = tmp_path / "key.pem"
    pin = tmp_path / "pin"
    pin.write_text("1234")
    for command in (
        ["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", str(authority.key), "-out", str(key)],
        [
            *("softhsm2-util", "--init-token", "--free", "--label", "it"),
            *("--so-pin", "1234", "--pin", "1234"),
        ],
        [
            *("softhsm2-util", "--import", str(key), "--token", "it", "--label", "signer"),
            *("--id", "01", "--pin", "1234"),
        ],
    ):
        subprocess.run(command, check=True, capture_output=True)
    signer = Signer(
        key="pkcs11:token=it;object=signer;type=private",
        certificates=str(authority.certificate),
        password_file=str(pin),
        module=str(modules[0]),
    )
    signed = tmp_path / "by-token.exe"
    signed.write_bytes(signer.signed(folder_form.read_bytes(), ".exe"))
    verified(authority, signed)


def test_a_wrong_password_is_told_of(
    authority: Authority, folder_form: Path, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("wrong")
    signer = Signer(str(authority.pfx), password_file=str(tmp_path / "password"))
    with pytest.raises(SigningError, match="osslsigncode ended with"):
        signer.signed(folder_form.read_bytes(), ".exe")


def test_a_program_whose_signature_is_not_ours_any_more(
    authority: Authority, signer: Signer, folder_form: Path, tmp_path: Path
) -> None:
    """So the check above can fail."""
    content = bytearray(signer.signed(folder_form.read_bytes(), ".exe"))
    content[1000] ^= 1
    (tmp_path / "spoilt.exe").write_bytes(content)
    with pytest.raises(AssertionError):
        verified(authority, tmp_path / "spoilt.exe")


def test_unsigned_they_are_what_was_built(folder_form: Path, file_form_of_none: bytes) -> None:
    assert folder_files(None)["vsocks-guest.exe"] == folder_form.read_bytes()
    assert with_file(file_form_of_none, INSIDE, folder_form.read_bytes()).endswith(b"\0")
    with pytest.raises(ArchiveError, match="no file nonsense in it"):
        with_file(file_form_of_none, "nonsense", b"")
    with pytest.raises(ArchiveError, match="no archive"):
        with_file(b"MZ", INSIDE, b"")


@pytest.fixture
def file_form_of_none(folder_form: Path) -> bytes:
    return file_form(None)
