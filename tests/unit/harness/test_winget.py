"""The manifest for winget: whether it has what the schema wants."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
import yaml

from harness.msi.winget import IDENTIFIER, ManifestError, manifest
from vsocks import __version__

pytestmark = pytest.mark.unit

URL = "https://example.org/vsocks-guest.msi?a=b"
PRODUCT = "{E21FE09D-49EA-5A20-9D9E-3C1FEFA9924D}"
Yaml = dict[str, Any]

REQUIRED = {
    "version": {"DefaultLocale"},
    "installer": {"Installers"},
    "defaultLocale": {"PackageLocale", "Publisher", "PackageName", "License", "ShortDescription"},
}
"""By the schemas 1.6.0, besides the four that each file has, as are the patterns below."""
OF_EACH = {"PackageIdentifier", "PackageVersion", "ManifestType", "ManifestVersion"}
LONGEST = {"Publisher": 256, "PackageName": 256, "License": 512, "ShortDescription": 256}
KNOWN = {
    "Platform": {"Windows.Desktop", "Windows.Universal"},
    "InstallModes": {"interactive", "silent", "silentWithProgress"},
    "UpgradeBehavior": {"install", "uninstallPrevious"},
    "ElevationRequirement": {"elevationRequired", "elevationProhibited", "elevatesSelf"},
    "InstallerType": {"msi", "wix", "exe", "zip", "inno", "nullsoft", "burn", "portable"},
    "Scope": {"user", "machine"},
}


@pytest.fixture
def files() -> dict[str, Yaml]:
    """By their kinds, as a reader of YAML takes them."""
    made = manifest(b"a package", PRODUCT, URL, IDENTIFIER)
    assert set(made) == {
        f"{IDENTIFIER}.{rest}" for rest in ("yaml", "installer.yaml", "locale.en-US.yaml")
    }
    read = [yaml.safe_load(text) for text in made.values()]
    return {file["ManifestType"]: file for file in read}


def test_each_file_has_what_is_required(files: dict[str, Yaml]) -> None:
    assert set(files) == set(REQUIRED)
    for kind, file in files.items():
        assert file.keys() >= OF_EACH | REQUIRED[kind]
        assert file["ManifestVersion"] == "1.6.0"
        assert str(file["PackageVersion"]) == __version__
        assert re.fullmatch(r"[^.\s\\/:*?\"<>|]{1,32}(\.[^.\s\\/:*?\"<>|]{1,32}){1,7}", IDENTIFIER)


def test_the_installer_is_the_msi(files: dict[str, Yaml]) -> None:
    file = files["installer"]
    (installer,) = file["Installers"]
    assert installer == {
        "Architecture": "x64",
        "InstallerUrl": URL,
        "InstallerSha256": hashlib.sha256(b"a package").hexdigest().upper(),
    }
    assert file["ProductCode"] == PRODUCT
    (entry,) = file["AppsAndFeaturesEntries"]
    assert entry["UpgradeCode"] == "{BD53BF29-86CA-4672-98B0-8E5D62AA67A0}"
    for key, known in KNOWN.items():
        values = file[key] if isinstance(file[key], list) else [file[key]]
        assert set(values) <= known


def test_the_texts_are_not_too_long(files: dict[str, Yaml]) -> None:
    file = files["defaultLocale"]
    for key, longest in LONGEST.items():
        assert 2 <= len(file[key]) <= longest
    assert len(file["Tags"]) <= 16
    assert all(re.fullmatch(r"[a-z0-9-]{1,40}", tag) for tag in file["Tags"])


@pytest.mark.parametrize("url", ["", "http://x/", "https://", "https://x/'", "https://x/\n"])
def test_where_the_msi_will_be_must_be_said(url: str) -> None:
    with pytest.raises(ManifestError, match="where the MSI will be"):
        manifest(b"a package", PRODUCT, url, IDENTIFIER)
