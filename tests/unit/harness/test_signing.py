"""Who signs, by the words that make passes on. Signing itself: integration/wine/test_signing.py."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from harness.signing import Signer, SigningError, add_signing_options, signer_of

pytestmark = pytest.mark.unit

TOKEN = "pkcs11:token=it;object=signer"


def signer(*words: str) -> Signer | None:
    parser = argparse.ArgumentParser()
    add_signing_options(parser)
    return signer_of(parser.parse_args(words))


def test_nobody_signs_unless_that_is_asked_for() -> None:
    assert signer() is None
    assert signer("--sign", "", "--sign-password-file", "", "--sign-timestamp", "http://x/") is None


def test_a_key_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key.pfx").touch()
    found = signer("--sign", str(tmp_path / "key.pfx"), "--sign-timestamp", "http://x/")
    assert found == Signer(str(tmp_path / "key.pfx"), timestamp="http://x/")


def test_a_key_in_a_token(tmp_path: Path) -> None:
    (tmp_path / "it").touch()
    it = str(tmp_path / "it")
    found = signer("--sign", TOKEN, "--sign-module", it, "--sign-certificates", it)
    assert found == Signer(TOKEN, certificates=it, module=it)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--sign", "/there/is/none"], "/there/is/none can't be read"),
        (["--sign", TOKEN], "needs SIGN_CERTIFICATES and SIGN_MODULE"),
        (
            ["--sign", TOKEN, "--sign-module", "/no/module", "--sign-certificates", "/no/chain"],
            "/no/chain can't be read",
        ),
    ],
)
def test_what_is_missing_is_told_before_anything_is_built(words: list[str], problem: str) -> None:
    with pytest.raises(SigningError, match=problem):
        signer(*words)
