"""Any text as a rule of the policy, and any address judged by it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from tests.fuzz.feed import Feed
from vsocks.policy.policy import Policy
from vsocks.policy.rules import VALID_FORMS, Rule, RuleError, Verb

NAMES = [None, "example.com", "a.example.com", "EXAMPLE.com.", "localhost"]


def run(data: bytes) -> None:
    feed = Feed(data)
    verb: Verb = "allow" if feed.below(2) else "deny"
    name, port = NAMES[feed.below(len(NAMES))], feed.number(2)
    addresses = IPv4Address(feed.number(4)), IPv6Address(feed.number(16))
    text = feed.take(len(data)).decode("utf-8", "surrogateescape")
    try:
        rule = Rule.parse(verb, text)
    except RuleError as error:
        check_complaint(str(error))
    else:
        assert str(rule) == f"{verb} {rule.text}"
        assert Rule.parse(verb, rule.text) == rule
        assert 0 <= rule.low <= rule.high <= 0xFFFF
        judge(rule, name, addresses, port)


def check_complaint(message: str) -> None:
    assert "\n" not in message
    assert message.endswith(VALID_FORMS)


def judge(
    rule: Rule, name: str | None, addresses: tuple[IPv4Address, IPv6Address], port: int
) -> None:
    """The rule decides if it matches, and only then; only a network opens what is special."""
    policy = Policy([rule])
    for address in addresses:
        verdict, default = (
            policy.permits(name, address, port),
            Policy().permits(name, address, port),
        )
        if rule.matches(name and name.lower().removesuffix("."), address, port):
            opens = rule.verb == "allow" and (rule.network is not None or default.allowed)
            assert verdict.allowed == opens or "carries" in verdict.reason
        else:
            assert verdict.allowed == default.allowed or "carries" in verdict.reason
        assert verdict.reason.isprintable()
    if name is not None:
        denial = policy.denies_name(name, port)
        assert denial is None or not denial.allowed


SEEDS = [
    bytes([allows]) + bytes(23) + text.encode()
    for allows in (0, 1)
    for text in (
        *VALID_FORMS.split(", "),
        "[::1]",
        "127.0.0.0/8:1-65535",
        "*",
        "*:443",
        "bücher.example:443",
        "fe80::/10",
    )
]
