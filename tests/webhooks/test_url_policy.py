"""Where a webhook may lead: out of the network, over TLS, to the address that was looked at, within ten seconds."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.webhooks import http_client
from app.webhooks.http_client import DeliveryError, post
from app.webhooks.url_policy import DisallowedUrl, Target, is_public, parse_url, resolve
from tests.support.gunicorn import free_port
from tests.support.webhook_receiver import receiving

INSIDE = [
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
OUTSIDE = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", INSIDE)
def test_what_lies_inside(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_lies_outside(address: str) -> None:
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
def test_urls(url: str, expected: Target) -> None:
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
def test_urls_that_are_refused(url: str) -> None:
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
def test_hosts_that_lie_inside_whatever_they_are_written_like(url: str) -> None:
    with pytest.raises(DisallowedUrl, match=r"inside a network|no address"):
        resolve(parse_url(url))


def resolver(*answers: list[str]) -> Callable[..., Any]:
    """A name that means something else each time it is asked for."""
    coming = iter(answers)

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(coming)]

    return getaddrinfo


def test_one_address_inside_among_others_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver(["8.8.8.8", "10.0.0.1"]))
    with pytest.raises(DisallowedUrl, match="inside a network"):
        resolve(parse_url("https://example.com/"))


def test_it_connects_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_name_without_an_address() -> None:
    for url in ("https://nowhere.invalid/", "https://" + "a" * 70 + ".example.com/"):
        with pytest.raises(DisallowedUrl, match="no address"):
            resolve(parse_url(url))


# Sending


@contextmanager
def listening(answer: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[Target]:
    """A server that does to its first connection whatever is wanted."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) if context else connection as stream:
                answer(stream)
        except OSError:
            pass  # the other side has had enough

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Target(context is not None, "hooks.example", listener.getsockname()[1], "/", True)
    finally:
        listener.close()
        thread.join(timeout=5)


def whole_request(connection: socket.socket) -> bytes:
    """Headers and body may come apart, and to close on what was not read breaks a connection instead of ending it."""
    request = b""
    while not request.endswith(b"\r\n\r\n{}"):
        received = connection.recv(10_000)
        if not received:
            break
        request += received
    return request


def silent(connection: socket.socket) -> None:
    time.sleep(3)


def dripping(connection: socket.socket) -> None:
    whole_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    for _ in range(60):
        connection.sendall(b"x")
        time.sleep(0.05)


def broken(connection: socket.socket) -> None:
    whole_request(connection)


def nonsense(connection: socket.socket) -> None:
    connection.recv(10_000)  # whatever it is
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def endless(connection: socket.socket) -> None:
    whole_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)


@pytest.mark.parametrize(
    ("answer", "said"), [(silent, "no answer"), (dripping, "no answer"), (broken, "broke"), (nonsense, "broke")]
)
def test_who_does_not_answer_is_not_waited_for(
    answer: Callable[[socket.socket], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "TIMEOUT_S", 0.5)
    with listening(answer) as target:
        started = time.monotonic()
        with pytest.raises(DeliveryError, match=said):
            post(target, ["127.0.0.1"], {}, b"{}")
        assert time.monotonic() - started < 2


def test_an_answer_without_end_is_not_read() -> None:
    with listening(endless) as target:
        started = time.monotonic()
        assert post(target, ["127.0.0.1"], {}, b"{}") == 200
        assert time.monotonic() - started < 2


def test_nobody_there() -> None:
    target = Target(False, "hooks.example", free_port(), "/", True)
    with pytest.raises(DeliveryError, match="refused"):
        post(target, ["127.0.0.1"], {}, b"{}")


def test_the_first_address_that_answers() -> None:
    with receiving() as receiver:
        target = Target(False, "hooks.example", receiver.address[1], "/x", True)
        assert post(target, ["127.0.0.2", "127.0.0.1"], {"A": "b"}, b"{}") == 204
        (received,) = receiver.received
        assert received.headers["Host"] == f"hooks.example:{receiver.address[1]}"
        assert received.headers["A"] == "b"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")
@pytest.mark.parametrize(
    ("name", "trusted", "said"),
    [("hooks.example", True, ""), ("other.example", True, "mismatch"), ("hooks.example", False, "self-signed")],
)
def test_the_certificate_must_be_valid_for_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool, said: str
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*made, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    http_client._tls.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def answer(connection: socket.socket) -> None:
        whole_request(connection)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with listening(answer, context) as target:
        if said:
            with pytest.raises(DeliveryError, match=f"certificate was not accepted: .*{said}"):
                post(target, ["127.0.0.1"], {}, b"{}")
        else:
            assert post(target, ["127.0.0.1"], {}, b"{}") == 204
    http_client._tls.cache_clear()


def test_hands_that_are_not_shaken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "TIMEOUT_S", 0.5)
    with listening(silent) as target:
        tls = Target(True, target.host, target.port, "/", True)
        with pytest.raises(DeliveryError, match="no answer"):
            post(tls, ["127.0.0.1"], {}, b"{}")
    with listening(nonsense) as target:
        tls = Target(True, target.host, target.port, "/", True)
        with pytest.raises(DeliveryError, match="TLS"):
            post(tls, ["127.0.0.1"], {}, b"{}")
