"""Where a webhook may lead: out of the network, over TLS, to the address that was looked at, within ten seconds."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from app.webhooks.http_client import DeliveryError, post
from app.webhooks.url_policy import DisallowedUrl, Target, is_public, parse_url, resolve

PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.8.8.8",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::808:808",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", Target(True, "example.com", 443, "/", False)),
        ("https://Example.COM./a/b?c=d&e", Target(True, "example.com", 443, "/a/b?c=d&e", False)),
        ("https://example.com:8443/", Target(True, "example.com", 8443, "/", False)),
        ("https://[2606:4700::1111]/x", Target(True, "2606:4700::1111", 443, "/x", False)),
        ("http://hooks.internal:8080/x", Target(False, "hooks.internal", 8080, "/x", True)),
        ("https://hooks.internal:8080/x", Target(True, "hooks.internal", 8080, "/x", True)),
        ("http://[::1]:8080/", Target(False, "::1", 8080, "/", True)),
    ],
)
def test_parsed_urls(url: str, expected: Target) -> None:
    assert parse_url(url, {("hooks.internal", 8080), ("::1", 8080)}) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hook",
        "//example.com/hook",
        "http://example.com/hook",
        "http://example.com:443/hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com:22/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com:port/",
        "https://example.com/#part",
        "https://example.com/a b",
        "https://example.com/\r\nHost: inside",
        "https://example.com\\@127.0.0.1/",
        "https://exämple.com/",
        "https://example.com/ä",
        "https://[fe80::1%25lo]/",
        "https://[::1/",
        "https://a[b]c/",
        "https://example.com/" + "a" * 2000,
        "http://hooks.internal/",
        "http://hooks.internal:8081/",
    ],
)
def test_disallowed_urls(url: str) -> None:
    with pytest.raises(DisallowedUrl):
        parse_url(url, {("hooks.internal", 8080)})


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://0/",
    ],
)
def test_private_hosts_in_every_notation_are_disallowed(url: str) -> None:
    with pytest.raises(DisallowedUrl, match=r"Private network|Host not found"):
        resolve(parse_url(url))


def resolver(*answers: list[str]) -> Callable[..., Any]:
    """Return a resolver with different addresses at each call."""
    remaining = iter(answers)

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(remaining)]

    return getaddrinfo


def test_one_private_address_is_enough_to_disallow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver(["8.8.8.8", "10.0.0.1"]))
    with pytest.raises(DisallowedUrl, match="Private network"):
        resolve(parse_url("https://example.com/"))


def test_connection_goes_to_the_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver(["8.8.8.8"], ["127.0.0.1"]))
    reached: list[Any] = []

    def create_connection(address: Any, **_: Any) -> Any:
        reached.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    target = parse_url("https://example.com/")
    with pytest.raises(DeliveryError, match="refused"):
        post(target, resolve(target), {}, b"")
    assert reached == [("8.8.8.8", 443)]


def test_unknown_host_is_disallowed() -> None:
    for url in ("https://nowhere.invalid/", "https://" + "a" * 70 + ".example.com/"):
        with pytest.raises(DisallowedUrl, match="Host not found"):
            resolve(parse_url(url))
