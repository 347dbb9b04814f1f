"""The answer file: complete for each Windows, and the checker notices whatever is taken away."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from harness.windows import answer
from harness.windows.adopt import CALL
from harness.windows.answer import TemplateError, answer_file, password
from harness.windows.profile import Profile, load, names
from harness.windows.settings import SETTINGS, faults

pytestmark = pytest.mark.unit

PASSWORD = "Aa1" + "x" * 20
PROFILES = [
    *(load(name) for name in names()),
    replace(load("windows-11"), name="windows-11-insecure", secure_boot=False),
]


@pytest.fixture(params=PROFILES, ids=lambda it: it.name)
def profile(request: pytest.FixtureRequest) -> Profile:
    found: Profile = request.param
    return found


def test_it_is_complete(profile: Profile) -> None:
    assert faults(answer_file(profile, PASSWORD), profile) == []


def test_every_needed_setting_is_missed_when_it_is_taken_away(profile: Profile) -> None:
    whole = answer_file(profile, PASSWORD)
    for setting in SETTINGS:
        if setting.needed(profile):
            root = ET.fromstring(whole)
            assert take_away(root, setting.where, setting.text), f"{setting.where} is not there"
            told = faults(ET.tostring(root), profile)
            assert any(it.startswith(setting.where) for it in told), f"{setting.where} not missed"


def take_away(root: ET.Element, where: str, text: str) -> int:
    """Remove the elements at a place whose text matches; how many."""

    def walk(parent: ET.Element, place: str) -> int:
        removed = 0
        for child in list(parent):
            name = child.get("pass") or child.get("name") or child.tag.rpartition("}")[2]
            here = f"{place}/{name.removeprefix('Microsoft-Windows-')}".lstrip("/")
            if here == where and re.fullmatch(text, (child.text or "").strip()):
                parent.remove(child)
                removed += 1
            else:
                removed += walk(child, here)
        return removed

    return walk(root, "")


@pytest.mark.parametrize("name", ["server-2022", "server-2025"])
def test_a_server_is_told_nothing_about_clients(name: str) -> None:
    text = answer_file(load(name), PASSWORD).decode()
    assert "LabConfig" not in text
    assert "LocalAccounts" not in text


def test_a_client_has_an_account_and_is_not_asked_for_what_its_machine_lacks() -> None:
    text = answer_file(load("windows-11"), PASSWORD).decode()
    assert "<Name>vsocks</Name>" in text
    assert "AdministratorPassword" not in text
    assert text.count("LabConfig") == 2
    insecure = answer_file(replace(load("windows-11"), secure_boot=False), PASSWORD).decode()
    assert insecure.count("LabConfig") == 4


def test_there_is_a_product_key_only_if_there_is_one(profile: Profile) -> None:
    root = ET.fromstring(answer_file(profile, PASSWORD))
    (product_key,) = [it for it in root.iter() if it.tag.endswith("}ProductKey")]
    assert [it.tag.rpartition("}")[2] for it in product_key] == ["WillShowUI"]
    keyed = replace(profile, product_key="AAAAA-BBBBB")
    assert b"<Key>AAAAA-BBBBB</Key>" in answer_file(keyed, PASSWORD)
    assert faults(answer_file(keyed, PASSWORD), keyed) == []


def test_what_is_filled_in_is_escaped(profile: Profile) -> None:
    made = answer_file(profile, "Aa1<&>\"'" + "x" * 12)
    values = [it.text for it in ET.fromstring(made).iter() if it.tag.endswith("}Value")]
    assert "Aa1<&>\"'" + "x" * 12 in values


@pytest.mark.parametrize(
    ("good", "bad", "complaint"),
    [
        ("<AcceptEula>true</AcceptEula>", "<Key />", "is empty"),
        ("<AcceptEula>", "<AcceptEul", "not well-formed"),
        ("<WillShowUI>OnError</WillShowUI>", "", "ProductKey/WillShowUI must be OnError"),
        ("amd64", "x86", "not for amd64"),
        (">en-US<", ">${language}<", "not filled in"),
        ("<Order>3</Order>", "<Order>2</Order>", "not 1, 2, 3"),
        ("cmd.exe /c for", "cmd.exe /c " + "x" * 1024 + " for", "1024 characters"),
        ("(echo vsocks", "(echo " + "x" * 260 + " vsocks", "259 characters"),
    ],
)
def test_traps_are_noticed(good: str, bad: str, complaint: str) -> None:
    text = answer_file(PROFILES[0], PASSWORD).decode()
    assert good in text
    told = faults(text.replace(good, bad).encode(), PROFILES[0])
    assert any(complaint in it for it in told), told


def test_a_password_suits_the_policy_and_is_never_the_same() -> None:
    some = {password() for _ in range(100)}
    assert len(some) == 100
    for it in some:
        assert re.search("[A-Z]", it)
        assert re.search("[a-z]", it)
        assert re.search("[0-9]", it)
        assert len(it) == 24


@pytest.mark.parametrize(("good", "bad"), [("${account}", "${acount}"), ('"client"', '"clients"')])
def test_a_slip_in_the_template_is_noticed(
    good: str, bad: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    text = answer.TEMPLATE.read_text().replace(good, bad)

    class Template:
        @staticmethod
        def read_text() -> str:
            return text

    monkeypatch.setattr(answer, "TEMPLATE", Template)
    with pytest.raises(TemplateError):
        answer_file(load("windows-11"), PASSWORD)


def test_a_box_is_provisioned_by_the_same_command_as_an_installation() -> None:
    [element] = [
        it
        for it in ET.fromstring(answer_file(PROFILES[0], PASSWORD)).iter()
        if it.tag.endswith("}CommandLine")
    ]
    assert element.text == f"cmd.exe /c {CALL}"
    assert '"' not in CALL
