"""The answer file of Windows Setup: the template `vm/windows/answer.xml`, made for one profile."""

from __future__ import annotations

import re
import secrets
import string
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from .profile import RECIPE, Profile

TEMPLATE = RECIPE / "answer.xml"

UNATTEND = "urn:schemas-microsoft-com:unattend"
WCM = "http://schemas.microsoft.com/WMIConfig/2002/State"
WHEN = "{urn:vsocks:template}when"


class TemplateError(ValueError):
    """The template has an unknown condition or an unknown name in it."""


def password() -> str:
    """A random one that satisfies the policy of a Windows server: three kinds of characters."""
    letters = string.ascii_letters + string.digits
    return "Aa1" + "".join(secrets.choice(letters) for _ in range(21))


def conditions(profile: Profile) -> set[str]:
    """Which `t:when` in the template hold."""
    held = {"client" if profile.client else "server"}
    if profile.client and not profile.secure_boot:
        held.add("insecure-client")
    if profile.product_key:
        held.add("product-key")
    return held


def answer_file(profile: Profile, password: str) -> bytes:
    """The finished file."""
    root = ET.fromstring(TEMPLATE.read_text())
    _prune(root, conditions(profile))
    values = {
        "language": profile.language,
        "image_index": str(profile.image_index),
        "product_key": profile.product_key,
        "account": profile.account,
        "password": password,
    }
    for element in root.iter():
        element.text = _filled(element.text or "", values)
    ET.register_namespace("", UNATTEND)
    ET.register_namespace("wcm", WCM)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


KNOWN = {"client", "insecure-client", "server", "product-key"}


def _prune(parent: ET.Element, held: set[str]) -> None:
    for child in list(parent):
        when = child.attrib.pop(WHEN, "")
        if when and when not in KNOWN:
            raise TemplateError(f"unknown condition {when!r} at <{child.tag}>")
        if when and when not in held:
            parent.remove(child)
        else:
            _prune(child, held)


def _filled(text: str, values: Mapping[str, str]) -> str:
    def value(name: re.Match[str]) -> str:
        if name[1] not in values:
            raise TemplateError(f"unknown name {name[0]}")
        return values[name[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)
