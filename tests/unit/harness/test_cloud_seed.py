"""What cloud-init is told."""

from __future__ import annotations

import json

import pytest
import yaml

from harness.cloud.seed import meta_data, user_data

pytestmark = pytest.mark.unit

PRIVATE = "-----BEGIN KEY-----\nb64: b64\n-----END KEY-----\n"
DATA = user_data("ssh-ed25519 AAA root", PRIVATE, "ssh-ed25519 BBB host")


def test_it_is_a_cloud_config() -> None:
    first, rest = DATA.split("\n", 1)
    assert first == "#cloud-config"
    assert yaml.safe_load(rest) == json.loads(rest)


def test_root_is_let_in_by_the_key_and_the_guest_proves_who_it_is() -> None:
    config = yaml.safe_load(DATA)
    assert config["disable_root"] is False
    assert config["ssh_authorized_keys"] == ["ssh-ed25519 AAA root"]
    assert config["ssh_keys"]["ed25519_private"] == PRIVATE
    assert config["ssh_keys"]["ed25519_public"] == "ssh-ed25519 BBB host"


def test_the_machine_is_told_from_all_others() -> None:
    assert yaml.safe_load(meta_data())["instance-id"]
