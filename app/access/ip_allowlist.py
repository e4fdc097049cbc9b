"""Networks from which a token may be used: `203.0.113.0/24`, `2001:db8::/32`, or one address alone."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network

from app.core.errors import DomainError

MAX_NETWORKS = 50


class InvalidNetwork(DomainError):
    """It cannot be read as a network, or there are too many of them."""


def parse_networks(texts: Iterable[str]) -> list[str]:
    """The networks in their usual spelling, each once. Raises NotANetwork."""
    networks = list(dict.fromkeys(_parse_network(text.strip()) for text in texts if text.strip()))
    if len(networks) > MAX_NETWORKS:
        raise InvalidNetwork(f"{len(networks)} networks are more than {MAX_NETWORKS}.")
    return networks


def _parse_network(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise InvalidNetwork(f"{text[:60]} is not a network such as 203.0.113.0/24 or 2001:db8::/32.") from None
    if "/" in text and ip_address(text.partition("/")[0]) != network.network_address:
        raise InvalidNetwork(f"{text} is an address in a network. Write {network}, or the address alone.")
    return str(network)


def is_allowed(address: str | None, networks: Iterable[str]) -> bool:
    """Whether the address lies in one of the networks; what is no address lies in none."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:  # as a socket for both kinds tells an IPv4 address
        ip = ip.ipv4_mapped
    return any(ip in ip_network(network) for network in networks)
