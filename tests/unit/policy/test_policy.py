"""The policy: the built-in rules, each form of a rule, their order, and its document."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.policy.policy import Policy, Rule, RuleError
from vsocks.policy.rules import VALID_FORMS, Verb

pytestmark = pytest.mark.unit

PUBLIC = "192.0.2.1"
DOCUMENT = Path(__file__).parents[3] / "docs" / "policy.md"


def policy(*rules: str) -> Policy:
    """``policy("deny *", "allow 10.0.0.0/8")``."""
    parsed = []
    for rule in rules:
        verb, _, text = rule.partition(" ")
        assert verb in get_args(Verb)
        parsed.append(Rule.parse("allow" if verb == "allow" else "deny", text))
    return Policy(parsed)


def allowed(judge: Policy, address: str, port: int = 80, name: str | None = None) -> bool:
    return judge.permits(name, ip_address(address), port).allowed


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("240.0.0.1", "reserved"),
        ("169.254.169.254", "cloud metadata"),
        ("100.100.100.200", "cloud metadata"),
        ("168.63.129.16", "cloud metadata"),
        ("192.0.0.192", "cloud metadata"),
        ("fd00:ec2::254", "cloud metadata"),
        ("fd00:ec2::23", "cloud metadata"),
        ("fd20:ce::254", "cloud metadata"),
        ("fd00:ec2::123", "cloud metadata"),
        ("fd00:42::42", "cloud metadata"),
        ("fd00:c1::a9fe:a9fe", "cloud metadata"),
        ("fd00:a9fe:a9fe::1", "cloud metadata"),
    ],
)
def test_denied_by_default(address: str, what: str) -> None:
    verdict = policy().permits(None, ip_address(address), 80)
    assert not verdict.allowed
    assert verdict.reason.startswith(f"denied by default: {what} (")


@pytest.mark.parametrize(
    "address",
    [
        PUBLIC,
        "10.0.0.1",
        "126.255.255.255",
        "128.0.0.0",
        "1.0.0.0",
        "169.253.255.255",
        "223.255.255.255",
        "2001:db8::1",
        "fd00::1",
        "fec0::1",
        "64:ff9b::c000:201",
        "::ffff:192.0.2.1",
    ],
)
def test_allowed_by_default(address: str) -> None:
    verdict = policy().permits("example.com", ip_address(address), 80)
    assert verdict.allowed
    assert verdict.reason == "allowed by default"


@pytest.mark.parametrize("inner", ["127.0.0.1", "0.0.0.0", "169.254.169.254"])
@pytest.mark.parametrize("prefix", ["::ffff:", "::ffff:0:", "64:ff9b::", "64:ff9b:1::"])
def test_an_address_that_carries_ipv4_is_judged_as_both(prefix: str, inner: str) -> None:
    address = f"{prefix}{inner}"
    verdict = policy().permits(None, ip_address(address), 80)
    assert not verdict.allowed
    assert f"for it carries {inner}" in verdict.reason
    # Allowed as one of them is not enough.
    assert not allowed(policy("allow ::/0"), address)
    assert not allowed(policy("deny *", f"allow {inner}"), address)
    assert allowed(policy("deny *", f"allow {inner}", "allow ::/0"), address)
    assert not allowed(policy(f"allow {inner}", f"deny {address}"), address)


def test_a_compatible_address_is_judged_as_both() -> None:
    assert not allowed(policy(), "::127.0.0.1")
    assert not allowed(policy("deny 10.0.0.0/8"), "::10.0.0.1")


def test_the_ipv6_loopback_can_be_allowed_by_itself() -> None:
    assert allowed(policy("allow [::1]"), "::1")
    assert allowed(policy("allow ::"), "::")


def test_last_match_wins() -> None:
    judge = policy("deny 10.0.0.0/8", "allow 10.1.0.0/16", "deny 10.1.2.3", "allow *:443")
    assert not allowed(judge, "10.2.0.1")
    assert allowed(judge, "10.1.0.1")
    assert not allowed(judge, "10.1.2.3")
    assert allowed(judge, "10.1.2.3", 443)
    assert allowed(judge, PUBLIC)


def test_rules_stand_above_the_built_in() -> None:
    assert allowed(policy("allow 127.0.0.0/8"), "127.0.0.1")
    assert not allowed(policy("allow 127.0.0.1:8080"), "127.0.0.1", 8081)
    assert not allowed(policy("allow *", "deny 127.0.0.0/8"), "127.0.0.1")


def test_the_reason_names_the_rule() -> None:
    judge = policy("deny *", "allow 10.0.0.0/8")
    assert judge.permits(None, ip_address(PUBLIC), 80).reason == "denied by 'deny *'"
    assert judge.permits(None, ip_address("10.0.0.1"), 80).reason == "allowed by 'allow 10.0.0.0/8'"


@pytest.mark.parametrize(
    ("rules", "denied"),
    [
        ([], False),
        (["deny *"], True),
        (["deny *.example.com"], True),
        (["deny example.org"], False),
        (["deny 0.0.0.0/0", "deny ::/0"], True),
        (["deny 0.0.0.0/0", "deny ::/1"], False),
        (["deny *", "deny 10.0.0.0/8"], True),
        (["deny *", "allow 10.0.0.0/8"], False),
        (["deny *", "allow 10.0.0.0/8:443"], True),
        (["deny *", "allow *.example.com"], False),
        (["deny *", "allow *.example.com:443"], True),
        (["allow *.example.com", "deny 80"], True),
    ],
)
def test_a_name_denied_in_any_case_is_told_before_its_lookup(
    rules: list[str], denied: bool
) -> None:
    verdict = policy(*rules).denies_name("WWW.example.com.", 80)
    assert (verdict is not None) is denied
    if verdict is not None:
        assert not verdict.allowed
        assert verdict.reason in [f"denied by '{rule}'" for rule in rules]


@given(
    st.lists(
        st.builds(
            "{} {}".format,
            st.sampled_from(["allow", "deny"]),
            st.sampled_from(["*", "80", "81", "a.example", "*.example", "10.0.0.0/8", "[::/0]:80"]),
        ),
        max_size=4,
    ),
    st.sampled_from(["10.0.0.1", PUBLIC, "2001:db8::1", "::ffff:10.0.0.1"]),
)
def test_what_is_denied_before_the_lookup_is_denied_after_it(
    rules: list[str], address: str
) -> None:
    judge = policy(*rules)
    if judge.denies_name("a.example", 80) is not None:
        assert not allowed(judge, address, 80, "a.example")


# rule: what it matches, what it does not (address, port, name)
Case = tuple[str, int, str | None]
FORMS: dict[str, tuple[list[Case], list[Case]]] = {
    "10.0.0.0/8": ([("10.9.9.9", 1, None), ("10.9.9.9", 1, "a.example")], [("11.0.0.0", 1, None)]),
    "10.1.2.3": ([("10.1.2.3", 9, None)], [("10.1.2.4", 9, None), ("2001:db8::1", 9, None)]),
    "10.1.2.3:443": ([("10.1.2.3", 443, None)], [("10.1.2.3", 80, None), ("10.1.2.4", 443, None)]),
    "[fd00::/8]:80-90": (
        [("fd12::1", 80, None), ("fd12::1", 90, None)],
        [("fd12::1", 79, None), ("fd12::1", 91, None), ("fc00::1", 80, None)],
    ),
    "fd00::/8": ([("fd12::1", 80, None)], [("fe00::1", 80, None), (PUBLIC, 80, None)]),
    "2001:db8::1": ([("2001:db8::1", 80, None)], [("2001:db8::2", 80, None)]),
    "[2001:db8::1]": ([("2001:db8::1", 80, None)], [("2001:db8::2", 80, None)]),
    "[2001:db8::1]:80": ([("2001:db8::1", 80, None)], [("2001:db8::1", 81, None)]),
    "Example.com.": (
        [(PUBLIC, 1, "example.com"), (PUBLIC, 1, "EXAMPLE.COM.")],
        [(PUBLIC, 1, "www.example.com"), (PUBLIC, 1, "example.org"), (PUBLIC, 1, None)],
    ),
    "example.com:443": ([(PUBLIC, 443, "example.com")], [(PUBLIC, 80, "example.com")]),
    "*.example.com:80-443": (
        [(PUBLIC, 80, "www.example.com"), (PUBLIC, 443, "A.B.Example.COM.")],
        [
            (PUBLIC, 80, "example.com"),
            (PUBLIC, 80, "badexample.com"),
            (PUBLIC, 80, "www.example.com.evil.example"),
            (PUBLIC, 444, "www.example.com"),
            (PUBLIC, 80, None),
        ],
    ),
    "bücher.example": ([(PUBLIC, 1, "xn--bcher-kva.example")], [(PUBLIC, 1, "bucher.example")]),
    "*": ([(PUBLIC, 1, None), ("2001:db8::1", 65535, "a.example")], []),
    "*:25": ([(PUBLIC, 25, None), ("2001:db8::1", 25, "a.example")], [(PUBLIC, 26, None)]),
    ":25": ([(PUBLIC, 25, None)], [(PUBLIC, 26, None)]),
    "25": ([(PUBLIC, 25, None)], [(PUBLIC, 26, None)]),
    "1-1023": ([(PUBLIC, 1, None), (PUBLIC, 1023, "a.example")], [(PUBLIC, 1024, None)]),
    "*:1-1023": ([(PUBLIC, 1023, None)], [(PUBLIC, 0, None)]),
    " 0-65535 ": ([(PUBLIC, 0, None), (PUBLIC, 65535, None)], []),
}


@pytest.mark.parametrize(
    ("rule", "case", "expected"),
    [
        (rule, case, expected)
        for rule, (hits, misses) in FORMS.items()
        for cases, expected in ((hits, True), (misses, False))
        for case in cases
    ],
)
def test_each_form(rule: str, case: Case, expected: bool) -> None:
    address, port, name = case
    assert allowed(policy(f"deny {rule}"), address, port, name) is not expected
    assert allowed(policy("deny *", f"allow {rule}"), address, port, name) is expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (":", "neither a port nor a range"),
        ("10.0.0.1/8", "did you mean 10.0.0.0/8"),
        ("[fd00::1/8]:80", "did you mean fd00::/8"),
        ("10.0.0.0/33", "no IP address or network"),
        ("10.0.0", "no IP address or network"),
        ("300.1.1.1", "no IP address or network"),
        ("fd00::/8:80", "goes in brackets"),
        ("fe80::1%eth0", "has a scope"),
        ("[::1", "in brackets"),
        ("[::1]80", "in brackets"),
        ("[::1]:", "neither a port nor a range"),
        ("[10.0.0.1]", "in brackets"),
        ("[example.com]:80", "in brackets"),
        ("70000", "ports go from 0 to 65535"),
        ("443-80", "ports go from 0 to 65535"),
        ("example.com:", "neither a port nor a range"),
        ("example.com:http", "neither a port nor a range"),
        ("example.com:80-", "neither a port nor a range"),
        ("example.com:1234567", "neither a port nor a range"),
        ("*.*.example.com", "stands alone"),
        ("*example.com", "stands alone"),
        ("ex*mple.com", "stands alone"),
        ("*.", "no host name"),
        ("a..example", "a part of it is empty"),
        ("a b", "no host name"),
        ("http://example.com", "it is a URL"),
        ("example.com\nx", "no host name"),
    ],
)
def test_errors_are_one_line_and_show_the_valid_forms(text: str, why: str) -> None:
    with pytest.raises(RuleError, match=re.escape(why)) as caught:
        Rule.parse("allow", text)
    message = str(caught.value)
    assert message.startswith(f"bad rule {text.strip()!r}: ")
    assert message.endswith(VALID_FORMS)
    assert "\n" not in message


@given(st.text(max_size=40) | st.text("0123456789abf.:/*-[]%", max_size=30))
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    try:
        rule = Rule.parse("deny", text)
    except RuleError:
        return
    rule.matches("example.com", ip_address(PUBLIC), 80)


def test_the_forms_that_the_errors_and_the_document_show_are_valid() -> None:
    rows = re.findall(r"^\| (`.*?`) \| ", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    shown = [code for row in rows for code in re.findall("`(.*?)`", row)]
    options = [text for text in shown if text.startswith("--")]
    rules = [text for text in shown if not text.startswith("--")]
    for option in options:
        rules += re.findall(r"--(?:allow|deny) '?([^' ]+)'?", option)
    assert len(options) >= 5
    assert len(rules) >= 25
    for text in rules + VALID_FORMS.split(", "):
        Rule.parse("allow", text)


def test_the_document_lists_what_is_denied_by_default() -> None:
    section = DOCUMENT.read_text("utf-8").split("## Rules")[0].split("An IPv6 address")[0]
    for text in re.findall(r"`([0-9a-f.:/]+)`", section):
        assert not allowed(policy(), text.split("/")[0]), text


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        (["deny *"], "example.com"),
        (["deny example.com"], "Example.COM."),
        (["deny *.example.com"], "www.example.com"),
        (["deny *", "allow other.example"], "example.com"),
        (["deny *", "allow *.example.com"], "example.com"),
        (["deny *", "allow *:443", "deny example.com"], "example.com"),
        # All ports, in parts and in any order.
        (["deny 1-1023", "deny 1024-65535"], "example.com"),
        (["deny example.com:1024-65535", "deny *:1-1023"], "example.com"),
        (["deny *:1-79", "deny *:81-65535", "allow *:80", "deny *:80"], "example.com"),
        (["deny *:1-65535"], "example.com"),
        (["allow *:443", "deny *"], "example.com"),
        # All addresses, in parts too, and beside a name that is allowed.
        (["deny 0.0.0.0/0", "deny ::/0"], "example.com"),
        (["deny 0.0.0.0/1", "deny 128.0.0.0/1", "deny ::/0"], "example.com"),
        (["deny 0.0.0.0/0", "deny ::/0", "allow *.example.com"], "stolen.evil.test"),
        (["deny 0.0.0.0/0:1-999", "deny ::/0", "deny 1000-65535"], "example.com"),
    ],
)
def test_a_name_that_is_denied_on_every_port_is_not_looked_up(rules: list[str], name: str) -> None:
    denial = policy(*rules).denies_look_up(name)
    assert denial is not None
    assert not denial.allowed
    assert denial.reason.startswith("denied by 'deny ")


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        ([], "example.com"),
        ([], "localhost"),
        ([], "."),
        (["deny example.com"], "www.example.com"),
        (["deny *.example.com"], "example.com"),
        (["deny *.example.com"], r"www\046example.com"),
        (["deny example.com:80"], "example.com"),
        (["deny *:1-79", "deny *:81-65535"], "example.com"),
        (["deny *:2-65535"], "example.com"),
        (["deny *:1-65534"], "example.com"),
        (["deny *", "allow *:443"], "example.com"),
        (["deny *", "allow example.com:443"], "example.com"),
        # It may have an address that is allowed, or one that is not denied.
        (["deny *", "allow 10.0.0.0/8"], "example.com"),
        (["deny *", "allow [fd00::/8]:443"], "example.com"),
        (["deny 0.0.0.0/0", "deny ::/1"], "example.com"),
        (["deny *:1-79", "allow *:80-90", "deny *:91-65535"], "example.com"),
    ],
)
def test_a_name_that_some_port_is_allowed_of_may_be_looked_up(rules: list[str], name: str) -> None:
    assert policy(*rules).denies_look_up(name) is None


@pytest.mark.parametrize(
    ("rules", "address"),
    [
        ([], "127.0.0.1"),
        ([], "169.254.169.254"),
        ([], "::1"),
        ([], "::ffff:127.0.0.1"),
        (["deny 10.0.0.0/8"], "10.1.2.3"),
        (["deny 10.0.0.0/8"], "64:ff9b::10.1.2.3"),
        (["deny *", "allow 10.0.0.0/8"], "192.0.2.1"),
        (["deny *", "allow example.com"], "192.0.2.1"),
        (["deny *.arpa"], "192.0.2.1"),
        (["deny 192.0.2.0/24:1-1023", "deny *:1024-65535"], "192.0.2.1"),
        (["deny 127.0.0.1:80"], "127.0.0.1"),
    ],
)
def test_an_address_that_is_denied_on_every_port_has_no_name(
    rules: list[str], address: str
) -> None:
    assert policy(*rules).denies_look_up(ip_address(address).reverse_pointer) is not None


@pytest.mark.parametrize(
    ("rules", "address"),
    [
        ([], PUBLIC),
        ([], "2001:db8::1"),
        (["deny 10.0.0.0/8"], "192.0.2.1"),
        (["deny *", "allow 10.0.0.0/8"], "10.1.2.3"),
        (["allow 127.0.0.1:80"], "127.0.0.1"),
        (["deny 192.0.2.1:80"], "192.0.2.1"),
    ],
)
def test_an_address_that_some_port_is_allowed_of_may_have_a_name(
    rules: list[str], address: str
) -> None:
    assert policy(*rules).denies_look_up(ip_address(address).reverse_pointer) is None


PORT_RULES = st.builds(
    "{} {}:{}-{}".format,
    st.sampled_from(["allow", "deny"]),
    st.sampled_from(["*", "example.com", "*.example.com", "10.0.0.0/8", "192.0.2.1"]),
    st.integers(1, 8),
    st.integers(8, 10),
)


@given(st.lists(PORT_RULES, max_size=6), st.booleans())
def test_what_is_not_looked_up_is_denied_on_each_port(rules: list[str], rest: bool) -> None:
    """For names: exactly what ``denies_name`` says of each port."""
    judge = policy(*(["deny *"] if rest else []), *rules)
    ports = [*range(1, 12), 65535]
    for name in ("example.com", "www.example.com"):
        each = all(judge.denies_name(name, port) for port in ports)
        assert (judge.denies_look_up(name) is not None) == each


# -- what only a rule on an address opens --------------------------------------------------


@pytest.mark.parametrize("rule", ["*", "*:80", "example.com", "*.com", "1-65535"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "169.254.9.9"])
def test_what_is_special_is_opened_by_addresses_alone(rule: str, address: str) -> None:
    for rules in ([f"allow {rule}"], ["deny *", f"allow {rule}"]):
        assert not allowed(policy(*rules), address, name="example.com")
    assert allowed(policy(f"allow {address}", f"allow {rule}"), address, name="example.com")
    assert allowed(policy("deny *", f"allow {rule}"), PUBLIC, name="example.com")


def test_an_own_address_is_special() -> None:
    ip = ip_address("192.0.2.7")
    for rules in ([], ["allow *"], ["allow example.com"]):
        verdict = policy(*rules).permits("example.com", ip, 80, is_own=True)
        assert not verdict.allowed
        assert verdict.reason == "denied by default: an address of the host itself"
    assert policy("allow 192.0.2.7:80").permits(None, ip, 80, is_own=True).allowed
    assert policy("allow 192.0.2.0/24").permits("example.com", ip, 80, is_own=True).allowed
    mapped = ip_address("::ffff:192.0.2.7")
    assert policy("allow 192.0.2.7:80").permits(None, mapped, 80, is_own=True).allowed
    for rules in [], ["allow ::/0"], ["allow 192.0.2.7:81"]:
        assert not policy(*rules).permits(None, mapped, 80, is_own=True).allowed


@pytest.mark.parametrize(
    ("address", "inner"),
    [
        ("64:ff9b:1:a9fe:a9:fe00:808:808", "169.254.169.254"),  # NAT64 with a prefix of 48 bits,
        ("64:ff9b:1:aa7f:0:1::", "127.0.0.1"),  # of 56
        ("64:ff9b:1:aaaa:7f:0:100:0", "127.0.0.1"),  # and of 64
        ("2002:7f00:1::1", "127.0.0.1"),  # 6to4
        ("2001:0:102:304:0:0:80ff:fffe", "127.0.0.1"),  # Teredo
        ("2001:db8::5efe:127.0.0.1", "127.0.0.1"),  # ISATAP
        ("2001:db8::200:5efe:127.0.0.1", "127.0.0.1"),
    ],
)
def test_every_form_of_an_ipv4_address_in_ipv6_is_judged(address: str, inner: str) -> None:
    verdict = policy().permits(None, ip_address(address), 80)
    assert not verdict.allowed
    assert f"carries {inner}" in verdict.reason
    assert not allowed(policy("deny *"), address)


@pytest.mark.parametrize("address", ["64:ff9b:1::8.8.8.8", "2002:808:808::1", "2001:db8::5efe:1"])
def test_what_carries_nothing_special_is_allowed(address: str) -> None:
    assert allowed(policy(), address)


def test_a_mapped_network_is_an_ipv4_network() -> None:
    judge = policy("deny ::ffff:10.0.0.0/104")
    assert not allowed(judge, "10.1.2.3")
    assert not allowed(judge, "::ffff:10.1.2.3")
    assert allowed(judge, "11.1.2.3")


@pytest.mark.parametrize("name", ["fa\u00df.de", "\u03c3\u03c2.gr", "a\u200db.example"])
def test_a_name_that_means_two_is_no_rule(name: str) -> None:
    with pytest.raises(RuleError, match="means another name to some programs"):
        Rule.parse("allow", name)


# -- before the look-up --------------------------------------------------------------------

HOSTS = [
    "0.0.0.0/0",
    "[::/0]",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "8.0.0.0/8",
    "*",
    "example.com",
    "*.com",
]
ANY_RULES = st.lists(
    st.builds(
        "{} {}{}".format,
        st.sampled_from(["allow", "deny"]),
        st.sampled_from(HOSTS),
        st.sampled_from(["", ":80", ":1-99", ":100-65535"]),
    ),
    max_size=6,
)
#: One of each part that the rules above tell apart, of what is special and what isn't.
ADDRESSES = [
    "8.8.8.8",
    "9.9.9.9",
    "192.0.2.1",
    "2001:db8::1",
    "127.0.0.1",
    "::1",
    "169.254.169.254",
]


@given(ANY_RULES, st.sampled_from([80, 99, 443]))
def test_a_name_is_looked_up_exactly_if_some_address_is_left(rules: list[str], port: int) -> None:
    judge = policy(*rules)
    left = [each for each in ADDRESSES if allowed(judge, each, port, "example.com")]
    assert (judge.denies_name("example.com", port) is None) == bool(left)


@given(ANY_RULES)
def test_a_look_up_alone_asks_the_same_of_all_ports(rules: list[str]) -> None:
    judge = policy(*rules)
    left = [port for port in (80, 99, 443) if judge.denies_name("example.com", port) is None]
    assert (judge.denies_look_up("example.com") is None) == bool(left)


def test_port_0_is_no_way_around_the_rules() -> None:
    assert policy("deny 1-65535").denies_name("example.com", 0) is not None
    assert policy("deny 1-79").denies_name("example.com", 0) is None
