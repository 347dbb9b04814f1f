"""One rule of the policy: its text, and what it matches. docs/policy.md shows them all."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal, NoReturn

from vsocks.address import IPAddress, ascii_name, parse_port_range, split_host_port
from vsocks.errors import UsageError, describe

IPNetwork = IPv4Network | IPv6Network
Verb = Literal["allow", "deny"]

VALID_FORMS = "10.0.0.0/8, [fd00::/8]:80-90, example.com:443, *.example.com, *:25, 1-1023"

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)", re.IGNORECASE)
#: What a URL means that names no port.
_SCHEME_PORTS = {"http": 80, "https": 443, "ftp": 21, "ssh": 22, "ws": 80, "wss": 443}
_PORTS_ALONE = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?")
_MAX_PORT = 0xFFFF
#: Letters that IDNA 2003 replaces and IDNA 2008 keeps (RFC 5894, section 7.2): sharp s, final
#: sigma, and two that join or part others.
_DEVIATIONS = "\u00df\u1e9e\u03c2\u200c\u200d"
_MAPPED = IPv6Network("::ffff:0:0/96")


class RuleError(UsageError):
    """A rule that can't be understood. The message is one line and shows the valid forms."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Allow or deny the ports ``low`` to ``high`` of some hosts.

    The hosts are those of ``network``, or the one asked for by ``name``, or those
    whose name ends in ``suffix``; when none of the three is set, all hosts.
    """

    verb: Verb
    text: str
    network: IPNetwork | None = None
    name: str | None = None
    suffix: str | None = None
    low: int = 0
    high: int = _MAX_PORT

    @classmethod
    def parse(cls, verb: Verb, text: str) -> "Rule":
        """The rule which ``text`` spells. Raises RuleError."""
        text = text.strip()
        try:
            host, ports = _split(text)
            low, high = parse_port_range(ports) if ports is not None else (0, _MAX_PORT)
            network, name, suffix = _parse_host(host)
        except ValueError as error:
            raise RuleError(
                f"bad rule {text!r}: {describe(error)}; valid forms: {VALID_FORMS}"
            ) from None
        return cls(verb, text, network, name, suffix, low, high)

    def matches(self, name: str | None, ip: IPAddress, port: int) -> bool:
        """Whether the rule speaks of this target; ``name`` as ``plain_name`` gives it."""
        return self.may_match(name, port) and (self.network is None or ip in self.network)

    def may_match(self, name: str | None, port: int) -> bool:
        """The same while the address is unknown: whether the rule matches for some address."""
        if not self.low <= port <= self.high:
            return False
        if self.name is not None:
            return name == self.name
        if self.suffix is not None:
            return name is not None and name.endswith(self.suffix)
        return True

    def __str__(self) -> str:
        return f"{self.verb} {self.text}"


def plain_name(name: str) -> str:
    """A host name to compare: without case, and without a dot at the end."""
    return name.lower().removesuffix(".")


def _split(text: str) -> tuple[str, str | None]:
    """The host and the ports of a rule; ports are None where none are given."""
    if not text:
        raise ValueError("it is empty")
    if url := _URL.match(text):
        raise ValueError(f"it is a URL, and a rule is of hosts and ports{_meant(*url.groups())}")
    if _PORTS_ALONE.fullmatch(text):
        return "*", text
    host, ports = split_host_port(text)
    return host or "*", ports


def _meant(scheme: str, authority: str) -> str:
    """What the one who wrote a URL may have meant, as the end of a sentence."""
    host = authority.rpartition("@")[2]
    port = _SCHEME_PORTS.get(scheme.lower())
    if not host:
        return ""
    known = split_host_port(host)[1] is not None or port is None
    return f": did you mean {host if known else f'{host}:{port}'!r}?"


def _parse_host(host: str) -> tuple[IPNetwork | None, str | None, str | None]:
    """Network, name and suffix, as in Rule: at most one of them."""
    if host == "*":
        return None, None, None
    if "/" in host or ":" in host or _last_label(host).isdecimal():
        return _parse_network(host), None, None
    if host.startswith("*."):
        return None, None, "." + _parse_name(host.removeprefix("*."))
    return None, _parse_name(host), None


def _last_label(host: str) -> str:
    return host.removesuffix(".").rpartition(".")[2]


def _parse_name(text: str) -> str:
    if any(c in _DEVIATIONS for c in text):
        raise ValueError(
            f"{text!r} means another name to some programs (IDNA 2003 and 2008): write it as xn--…"
        )
    if "*" in text:
        raise ValueError("a '*' stands alone or for all subdomains, as in *.example.com")
    name = plain_name(ascii_name(text))
    if not all(name.split(".")):
        raise ValueError(f"{text!r} is no host name: a part of it is empty")
    return name


def _parse_network(text: str) -> IPNetwork:
    if "%" in text:
        raise ValueError(f"{text!r} has a scope, and rules know none")
    try:
        network = ip_network(text)
    except ValueError:
        _explain_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        # Addresses come to be judged as IPv4, too: as such it is meant.
        inner = network.network_address.ipv4_mapped
        return IPv4Network((int(inner or 0), network.prefixlen - _MAPPED.prefixlen))
    return network


def _explain_network(text: str) -> NoReturn:
    """Raise a ValueError that says what is wrong with ``text`` as a network."""
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        hint = " (IPv6 with a port goes in brackets: [::1]:80)" if ":" in text else ""
        raise ValueError(f"{text!r} is no IP address or network{hint}") from None
    raise ValueError(f"{text!r} has bits set behind the prefix: did you mean {meant}?")
