"""Networks that a token may be used from: `203.0.113.0/24`, `2001:db8::/32`, or a single address."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network

from app.core.errors import BadRequest
from app.core.limits import MAX_TOKEN_NETWORKS


class InvalidNetwork(BadRequest):
    code = "INVALID_NETWORK"
    explanation = "The text is not a network, or there are too many networks."


def parse_networks(texts: Iterable[str]) -> list[str]:
    """Return the networks in canonical form, each once. Raises InvalidNetwork."""
    networks = list(dict.fromkeys(_parse_network(text.strip()) for text in texts if text.strip()))
    if len(networks) > MAX_TOKEN_NETWORKS:
        raise InvalidNetwork(f"{len(networks)} networks: at most {MAX_TOKEN_NETWORKS} are allowed.")
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
    """Return whether the address is in one of the networks; False for a text that is no address."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:  # how a dual-stack socket reports an IPv4 peer
        ip = ip.ipv4_mapped
    return any(ip in ip_network(network) for network in networks)
