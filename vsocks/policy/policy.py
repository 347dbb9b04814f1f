"""May this guest reach that target? Last match wins; docs/policy.md is the user's side.

The guest may be malware, so the question is always about the resolved address that is dialled next,
never about a name alone.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from vsocks.address import IPAddress, pointed_at, unmapped
from vsocks.policy.carried import carried_by
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
        "fd00:ec2::/32",  # Amazon: instances, credentials for pods, the clock and the resolver
        "fd20:ce::254/128",  # Google
        "fd00:42::42/128",  # Scaleway
        "fd00:c1::a9fe:a9fe/128",  # Oracle
        "fd00:a9fe:a9fe::1/128",  # Akamai
    ],
    "link-local": ["169.254.0.0/16", "fe80::/10"],
    "multicast": ["224.0.0.0/4", "ff00::/8"],
    "broadcast": ["255.255.255.255/32"],
    "reserved": ["240.0.0.0/4"],
}

_MAX_PORT = 0xFFFF
_EVERYTHING: Sequence[IPNetwork] = [ip_network("0.0.0.0/0"), ip_network("::/0")]


def _built_in(version: int) -> Sequence[tuple[IPNetwork, str]]:
    networks = [(ip_network(text), what) for what, texts in _BUILT_IN.items() for text in texts]
    return [(network, what) for network, what in networks if network.version == version]


_BUILT_IN_BY_VERSION = {4: _built_in(4), 6: _built_in(6)}
_SPECIAL = [network for version in _BUILT_IN_BY_VERSION.values() for network, _ in version]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, and the rule or the built-in that decided, for the log."""

    allowed: bool
    reason: str
    #: The rule as it was given, or which built-in it is, for the audit.
    rule: str


class Policy:
    """The built-in rules, then ``rules`` in order: the last that matches decides."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._last_first = tuple(reversed(rules))
        ends = {1, *(rule.low for rule in rules), *(rule.high + 1 for rule in rules)}
        #: The ports at which a range of ports begins that all rules treat alike.
        self._first_ports = sorted(end for end in ends if 0 < end <= _MAX_PORT)

    def permits(
        self, requested_name: str | None, ip: IPAddress, port: int, *, is_own: bool = False
    ) -> Verdict:
        """Whether to dial ``ip``, for which the guest asked by that name, or by the address.

        An IPv6 address that carries an IPv4 address must be allowed as both. ``is_own`` says that
        it is an address of this machine. That and what is denied by default are opened by rules on
        addresses alone: whoever serves a name can have it point to anything.
        """
        name = plain_name(requested_name) if requested_name is not None else None
        # A mapped address is the machine's own because, and as far as, the IPv4 address is.
        is_mapped = unmapped(ip) != ip
        for inner in carried_by(ip):
            verdict = self._judge(name, inner, port, is_own=is_own and is_mapped)
            if not verdict.allowed:
                return replace(verdict, reason=f"{verdict.reason}, for it carries {inner}")
        return self._judge(name, ip, port, is_own=is_own and not is_mapped)

    def denies_name(self, name: str, port: int) -> Verdict | None:
        """The denial of ``name`` that holds whatever its address; None if there is none.

        What is denied in any case should not be looked up: a look-up is a message to whoever
        serves the name.
        """
        plain = plain_name(name)
        if port == 0 and (denial := self.denies_look_up(name)) is not None:
            return denial  # nobody connects to port 0: it stands for any
        return self._leaves_no_address(plain, port)

    def denies_look_up(self, name: str) -> Verdict | None:
        """The denial of ``name`` that holds whatever its port and address; None if there is none.

        A name that stands for an address (1.0.0.10.in-addr.arpa) is also denied if that address is
        denied on all ports: its name is then not for this guest to know.
        """
        plain = plain_name(name)
        ip = pointed_at(plain)
        denial = self._denies_address(ip) if ip is not None else None

        return denial or self._leaves_no_address_on_any_port(plain)

    def _leaves_no_address_on_any_port(self, name: str) -> Verdict | None:
        """As _leaves_no_address(), for all ports: between the ends of rules they are all alike."""
        denial = None
        for port in self._first_ports:
            denial = self._leaves_no_address(name, port)
            if denial is None:
                return None
        return denial

    def _leaves_no_address(self, name: str, port: int) -> Verdict | None:
        """The rule that leaves ``name`` no address to be dialled at; None if it may have one."""
        denied: dict[IPNetwork, Rule] = {}
        for rule in self._last_first:
            if not rule.may_match(name, port):
                continue
            if rule.verb == "deny":
                if rule.network is None:
                    return _verdict_of(rule)
                denied[rule.network] = rule
            elif rule.network is None:
                if _leave_ordinary(denied):
                    return None
            elif not _cover(denied, [rule.network]):
                return None
        if _leave_ordinary(denied):
            return None
        *_, last = denied.values()
        return _verdict_of(last)

    def _denies_address(self, ip: IPAddress) -> Verdict | None:
        """The denial of ``ip`` on all ports; None if there is none."""
        denials = (self._denies_address(inner) for inner in carried_by(ip))
        special = _built_in_denial(ip)

        def matches(rule: Rule) -> bool:
            return rule.matches(None, ip, rule.low) and (special is None or not _is_too_wide(rule))

        return next(filter(None, denials), None) or self._denies_all_ports(
            matches, otherwise=special
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

    def _judge(
        self, name: str | None, ip: IPAddress, port: int, *, is_own: bool = False
    ) -> Verdict:
        special = _built_in_denial(ip) or (_OWN if is_own else None)
        for rule in self._last_first:
            if rule.matches(name, ip, port) and (special is None or not _is_too_wide(rule)):
                return _verdict_of(rule)
        return special or _DEFAULT


_DEFAULT = Verdict(True, "allowed by default", "built-in: allowed by default")
_OWN = Verdict(
    False,
    "denied by default: an address of the host itself",
    "built-in: an address of the host itself",
)


def _is_too_wide(rule: Rule) -> bool:
    """Whether a rule is too wide to open what is special: one on names, ports or everything."""
    return rule.verb == "allow" and rule.network is None


def _verdict_of(rule: Rule) -> Verdict:
    allowed = rule.verb == "allow"
    return Verdict(allowed, f"{'allowed' if allowed else 'denied'} by '{rule}'", str(rule))


def _built_in_denial(ip: IPAddress) -> Verdict | None:
    for network, what in _BUILT_IN_BY_VERSION[ip.version]:
        if ip in network:
            which = f"{what} ({network})"
            return Verdict(False, f"denied by default: {which}", f"built-in: {which}")
    return None


def _leave_ordinary(denied: Collection[IPNetwork]) -> bool:
    """Whether an address is left that is neither in these networks nor denied by default."""
    return not denied or not _cover([*denied, *_SPECIAL], _EVERYTHING)


def _cover(networks: Collection[IPNetwork], wanted: Collection[IPNetwork]) -> bool:
    """Whether all addresses of the ``wanted`` networks are in ``networks``."""
    whole: list[IPNetwork] = [
        *collapse_addresses(each for each in networks if isinstance(each, IPv4Network)),
        *collapse_addresses(each for each in networks if isinstance(each, IPv6Network)),
    ]
    return all(any(_is_within(each, one) for one in whole) for each in wanted)


def _is_within(network: IPNetwork, other: IPNetwork) -> bool:
    return network.overlaps(other) and network.prefixlen >= other.prefixlen


def _without(ranges: list[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    """The ``ranges`` of ports without those from ``low`` to ``high``, both included."""
    parts = []
    for first, last in ranges:
        parts += [(first, min(last, low - 1)), (max(first, high + 1), last)]
    return [(first, last) for first, last in parts if first <= last]
