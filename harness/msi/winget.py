"""`make winget-manifest URL=…`: the manifest by which winget knows the MSI in dist/.

Three files of the schema 1.6.0 (github.com/microsoft/winget-cli, schemas/JSON/manifests): the
package's version, how it is installed, and how it is described.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
from pathlib import Path
from string import Template

from vsocks import __version__

from ..shipping import DIST
from .package import NAME, UPGRADE_CODE

TEMPLATES = Path(__file__).with_name("manifest")
IDENTIFIER = "vsocks.guest"
PLAIN_URL = re.compile(r"https://[!-&(-~]+")
"""Of letters that need no quoting between apostrophes in YAML."""


class ManifestError(Exception):
    """There can be no manifest; the message says what is missing."""


def manifest(msi: bytes, product_code: str, url: str, identifier: str) -> dict[str, str]:
    """The files by their names. Raises ManifestError if winget would not take the URL."""
    if not PLAIN_URL.fullmatch(url):
        raise ManifestError("URL= must say where the MSI will be: https://…")
    values = {
        "identifier": identifier,
        "version": __version__,
        "product_code": product_code,
        "upgrade_code": f"{{{UPGRADE_CODE}}}".upper(),
        "url": url,
        "sha256": hashlib.sha256(msi).hexdigest().upper(),
    }
    texts = {path.name: path.read_text() for path in sorted(TEMPLATES.glob("*.yaml"))}
    texts["yaml"] = texts.pop("version.yaml")
    return {
        f"{identifier}.{name}": Template(text).substitute(values) for name, text in texts.items()
    }


def product_code_of(msi: Path) -> str:
    """As msitools read it. Raises subprocess.CalledProcessError if it is no package."""
    command = ["msiinfo", "export", str(msi), "Property"]
    rows = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(row.split("\t") for row in rows if row.count("\t") == 1)["ProductCode"]


def _manifest_of(msi: Path, url: str, identifier: str) -> dict[str, str]:
    if not msi.exists():
        raise ManifestError(f"there is no {msi.name} in {msi.parent.name}/: make guest-msi")
    return manifest(msi.read_bytes(), product_code_of(msi), url, identifier)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="")
    parser.add_argument("--identifier", default="")
    options = parser.parse_args()
    try:
        files = _manifest_of(DIST / NAME, options.url, options.identifier or IDENTIFIER)
    except ManifestError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    folder = DIST / "winget" / __version__
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
        print((folder / name).relative_to(DIST.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
