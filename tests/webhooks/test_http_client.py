"""Requests to receivers that do not answer, answer nonsense, or fail TLS."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.webhooks import http_client
from app.webhooks.http_client import DeliveryError, post
from app.webhooks.url_policy import Target
from bench.servers.gunicorn import free_port
from tests.support.webhook_receiver import receiving


@contextmanager
def listening(respond: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[Target]:
    """Run a server that handles its first connection with `respond`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) if context else connection as stream:
                respond(stream)
        except OSError:
            pass  # the client closed the connection

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Target(context is not None, "hooks.example", listener.getsockname()[1], "/", True)
    finally:
        listener.close()
        thread.join(timeout=5)


def whole_request(connection: socket.socket) -> bytes:
    """Read headers and body: closing a connection with unread data resets it."""
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
    connection.recv(10_000)  # anything
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def endless(connection: socket.socket) -> None:
    whole_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)


@pytest.mark.parametrize(
    ("respond", "expected"),
    [(silent, "no response"), (dripping, "no response"), (broken, "broke"), (nonsense, "broke")],
)
def test_unresponsive_receiver_times_out(
    respond: Callable[[socket.socket], None], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "TIMEOUT_S", 0.5)
    with listening(respond) as target:
        started = time.monotonic()
        with pytest.raises(DeliveryError, match=expected):
            post(target, ["127.0.0.1"], {}, b"{}")
        assert time.monotonic() - started < 2


def test_endless_response_is_not_read() -> None:
    with listening(endless) as target:
        started = time.monotonic()
        assert post(target, ["127.0.0.1"], {}, b"{}").status == 200
        assert time.monotonic() - started < 2


def test_connection_refused() -> None:
    target = Target(False, "hooks.example", free_port(), "/", True)
    with pytest.raises(DeliveryError, match="refused"):
        post(target, ["127.0.0.1"], {}, b"{}")


def test_first_reachable_address_is_used() -> None:
    with receiving() as receiver:
        target = Target(False, "hooks.example", receiver.address[1], "/x", True)
        assert post(target, ["127.0.0.2", "127.0.0.1"], {"A": "b"}, b"{}").status == 204
        (received,) = receiver.received
        assert received.headers["Host"] == f"hooks.example:{receiver.address[1]}"
        assert received.headers["A"] == "b"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")
@pytest.mark.parametrize(
    ("name", "trusted", "expected"),
    [("hooks.example", True, ""), ("other.example", True, "mismatch"), ("hooks.example", False, "self-signed")],
)
def test_certificate_must_be_valid_for_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool, expected: str
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    http_client._tls.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def respond(connection: socket.socket) -> None:
        whole_request(connection)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with listening(respond, context) as target:
        if expected:
            with pytest.raises(DeliveryError, match=f"certificate was not accepted: .*{expected}"):
                post(target, ["127.0.0.1"], {}, b"{}")
        else:
            assert post(target, ["127.0.0.1"], {}, b"{}").status == 204
    http_client._tls.cache_clear()


def test_failed_tls_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "TIMEOUT_S", 0.5)
    with listening(silent) as target:
        tls = Target(True, target.host, target.port, "/", True)
        with pytest.raises(DeliveryError, match="no response"):
            post(tls, ["127.0.0.1"], {}, b"{}")
    with listening(nonsense) as target:
        tls = Target(True, target.host, target.port, "/", True)
        with pytest.raises(DeliveryError, match="TLS"):
            post(tls, ["127.0.0.1"], {}, b"{}")
