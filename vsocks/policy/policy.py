"""May this guest reach that target? Last match wins; docs/policy.md is the user's side.

The guest may be malware, so the question is always about the resolved address that is dialled next,
never about a name alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

from vsocks.address import IPAddress, pointed_at
from vsocks.policy.rules import IPNetwork, Rule, RuleError, plain_name

__all__ = ["Policy", "Rule", "RuleError", "Verdict"]

# What no guest reaches unless a rule allows it. Metadata services hand out the
# credentials of the machine that asks, which is the host.
_BUILT_IN: dict[str, Sequence[str]] = {
    "loopback": ["127.0.0.0/8", "::1/128"],
    # Linux connects these to the loopback.
    "unspecified": ["0.0.0.0/8", "::/128"],
    "cloud metadata": [
        "169.254.169.254/32",  # nearly everybody
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure's wire server
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::254/128",  # Amazon
        "fd00:ec2::23/128",  # Amazon's credentials for pods
        "fd20:ce::254/128",  # Google
    ],
    "link-local": ["169.254.0.0/16", "fe80::/10"],
    "multicast": ["224.0.0.0/4", "ff00::/8"],
    "broadcast": ["255.255.255.255/32"],
    "reserved": ["240.0.0.0/4"],
}

# IPv6 networks whose last 32 bits are an IPv4 address which a connection may end at.
_CARRIES_IPV4 = [
    IPv6Network("::ffff:0:0/96"),  # mapped: the kernel itself connects to the IPv4 address
    IPv6Network("::/96"),  # compatible, deprecated
    IPv6Network("::ffff:0:0:0/96"),  # translated (SIIT)
    IPv6Network("64:ff9b::/96"),  # NAT64
    IPv6Network("64:ff9b:1::/48"),  # NAT64 of a site: the only one for private addresses
]
_MAX_PORT = 0xFFFF
_CARRIES_NOTHING = (IPv6Address("::"), IPv6Address("::1"))


def _built_in(version: int) -> Sequence[tuple[IPNetwork, str]]:
    networks = [(ip_network(text), what) for what, texts in _BUILT_IN.items() for text in texts]
    return [(network, what) for network, what in networks if network.version == version]


_BUILT_IN_BY_VERSION = {4: _built_in(4), 6: _built_in(6)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, and the rule or the built-in that decided, for the log."""

    allowed: bool
    reason: str


class Policy:
    """The built-in rules, then ``rules`` in order: the last that matches decides."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._last_first = tuple(reversed(rules))

    def permits(self, requested_name: str | None, ip: IPAddress, port: int) -> Verdict:
        """Whether to dial ``ip``, for which the guest asked by that name, or by the address.

        An IPv6 address that carries an IPv4 address must be allowed as both.
        """
        name = plain_name(requested_name) if requested_name is not None else None
        inner = _carried(ip)
        if inner is not None:
            verdict = self._judge(name, inner, port)
            if not verdict.allowed:
                return Verdict(False, f"{verdict.reason}, for it carries {inner}")
        return self._judge(name, ip, port)

    def denies_name(self, name: str, port: int) -> Verdict | None:
        """The denial of ``name`` that holds whatever its address; None if there is none.

        What is denied in any case should not be looked up: a look-up is a message to whoever
        serves the name.
        """
        plain = plain_name(name)
        for rule in self._last_first:
            if rule.network is not None and rule.verb == "deny":
                continue  # The name may have an address outside of it.
            if rule.may_match(plain, port):
                return _verdict_of(rule) if rule.verb == "deny" else None
        return None

    def denies_look_up(self, name: str) -> Verdict | None:
        """The denial of ``name`` that holds whatever its port and address; None if there is none.

        A name that stands for an address (1.0.0.10.in-addr.arpa) is also denied if that address is
        denied on all ports: its name is then not for this guest to know.
        """
        plain = plain_name(name)
        ip = pointed_at(plain)
        denial = self._denies_address(ip) if ip is not None else None

        def may_match(rule: Rule) -> bool:
            may_be_elsewhere = rule.network is not None and rule.verb == "deny"
            return not may_be_elsewhere and rule.may_match(plain, rule.low)

        return denial or self._denies_all_ports(may_match, otherwise=None)

    def _denies_address(self, ip: IPAddress) -> Verdict | None:
        """The denial of ``ip`` on all ports; None if there is none."""
        inner = _carried(ip)
        denial = self._denies_address(inner) if inner is not None else None
        return denial or self._denies_all_ports(
            lambda rule: rule.matches(None, ip, rule.low), otherwise=_built_in_denial(ip)
        )

    def _denies_all_ports(
        self, matches: Callable[[Rule], bool], otherwise: Verdict | None
    ) -> Verdict | None:
        """The rule that completes a denial of all ports; None if a rule allows one of them.

        ``matches`` selects the rules, apart from their ports; ``otherwise`` is the verdict on
        ports that no rule decides.
        """
        undecided = [(1, _MAX_PORT)]
        for rule in self._last_first:
            left = _without(undecided, rule.low, rule.high)
            if left == undecided or not matches(rule):
                continue
            if rule.verb == "allow":
                return None
            if not left:
                return _verdict_of(rule)
            undecided = left
        return otherwise

    def _judge(self, name: str | None, ip: IPAddress, port: int) -> Verdict:
        for rule in self._last_first:
            if rule.matches(name, ip, port):
                return _verdict_of(rule)
        return _built_in_denial(ip) or Verdict(True, "allowed by default")


def _verdict_of(rule: Rule) -> Verdict:
    allowed = rule.verb == "allow"
    return Verdict(allowed, f"{'allowed' if allowed else 'denied'} by '{rule}'")


def _built_in_denial(ip: IPAddress) -> Verdict | None:
    for network, what in _BUILT_IN_BY_VERSION[ip.version]:
        if ip in network:
            return Verdict(False, f"denied by default: {what} ({network})")
    return None


def _without(ranges: list[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    """The ``ranges`` of ports without those from ``low`` to ``high``, both included."""
    parts = []
    for first, last in ranges:
        parts += [(first, min(last, low - 1)), (max(first, high + 1), last)]
    return [(first, last) for first, last in parts if first <= last]


def _carried(ip: IPAddress) -> IPv4Address | None:
    if isinstance(ip, IPv4Address) or ip in _CARRIES_NOTHING:
        return None
    if any(ip in network for network in _CARRIES_IPV4):
        return IPv4Address(ip.packed[-4:])
    return None
