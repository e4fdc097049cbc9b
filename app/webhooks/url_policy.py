"""Which URLs a webhook may have: public addresses, and private ones that WEBHOOK_ALLOWED_HOSTS names."""

import re
import socket
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from app.core.errors import BadRequest
from app.core.limits import MAX_WEBHOOK_URL_LENGTH

PORTS = (443, 8443)


HostAndPort = tuple[str, int]

NAME = re.compile(r"[a-z0-9._-]{1,253}")

UNICAST = IPv6Network("2000::/3")
"""The IPv6 addresses that are assigned to the public Internet."""

NAT64 = IPv6Network("64:ff9b::/96")
"""The prefix by which an IPv6-only network reaches all of IPv4."""

DENIED_NETWORKS = tuple(
    map(
        ip_network,
        (
            "2001::/32",  # Teredo: contains an IPv4 address
            "2002::/16",  # 6to4: the same
            "192.0.0.0/24",  # protocols and a cloud's own services; global to Python before 3.11.9
            "168.63.129.16/32",  # Azure's metadata of a machine
        ),
    )
)


class DisallowedUrl(BadRequest):
    code = "DISALLOWED_URL"
    explanation = "A webhook must not lead to this URL."


@dataclass(frozen=True)
class Target:
    """A parsed URL: the parts that are checked are the parts that are used."""

    https: bool
    host: str
    port: int
    path: str
    """With the query."""
    allowed: bool
    """Whether WEBHOOK_ALLOWED_HOSTS names it, so that its address may be private."""


def parse_url(url: str, allowed_hosts: Collection[HostAndPort] = ()) -> Target:
    """Parse a URL. Raises DisallowedUrl."""
    if not 0 < len(url) <= MAX_WEBHOOK_URL_LENGTH or not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        raise DisallowedUrl("Enter a URL such as https://example.com/hook, without spaces or special characters.")
    try:
        parts = urlsplit(url)
        port = (443 if parts.scheme == "https" else 80) if parts.port is None else parts.port
    except ValueError:
        raise DisallowedUrl("This is not a URL.") from None
    host = (parts.hostname or "").removesuffix(".")
    if parts.scheme not in ("https", "http") or not _is_host(host):
        raise DisallowedUrl("Enter a URL such as https://example.com/hook.")
    if "@" in parts.netloc or "#" in url:
        raise DisallowedUrl("The URL can't contain a user name or #fragment.")
    allowed = (host, port) in allowed_hosts
    if not allowed:
        _check_public(parts, port)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", host, port, path, allowed)


def _check_public(parts: SplitResult, port: int) -> None:
    if parts.scheme != "https":
        raise DisallowedUrl("The URL must begin with https://.")
    if port not in PORTS:
        raise DisallowedUrl(f"The port must be {' or '.join(map(str, PORTS))}.")


def _is_host(host: str) -> bool:
    if NAME.fullmatch(host):
        return True
    try:
        return ":" in host and "%" not in host and bool(ip_address(host))
    except ValueError:
        return False


def resolve(target: Target) -> list[str]:
    """Return the addresses of the host. Raises DisallowedUrl if there are none, or if one of them is private.

    Takes as long as the system's resolver, which has no time limit of ours.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DisallowedUrl("Host not found.") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not target.allowed and not all(map(is_public, addresses)):
        raise DisallowedUrl(
            "Private network addresses are blocked. Ask your administrator to add it to WEBHOOK_ALLOWED_HOSTS."
        )
    return addresses


def is_public(address: str) -> bool:
    """Return whether an address is public, including addresses that contain another one."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    elif isinstance(ip, IPv6Address) and ip in NAT64:
        ip = IPv4Address(int(ip) & 0xFFFFFFFF)
    if isinstance(ip, IPv6Address) and ip not in UNICAST:
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or any(ip in network for network in DENIED_NETWORKS))
