"""Requests byte by byte, as a slow or broken client would send them."""

import json
import socket
from typing import Any, NamedTuple


class RawResponse(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def head(method: str, path: str, headers: dict[str, str]) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def read_response(connection: socket.socket) -> RawResponse:
    """Read one response with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65_536)
        assert received, f"the connection was closed after {data!r}"
        data += received
    lines, _, body = data.partition(b"\r\n\r\n")
    first, *rest = lines.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in rest)
    while len(body) < int(headers["Content-Length"]):
        body += connection.recv(65_536)
    return RawResponse(int(first.split()[1]), headers, body)


def send(port: int, message: bytes) -> RawResponse:
    """Send the bytes of a request and return the response."""
    with connect(port) as connection:
        connection.sendall(message)
        return read_response(connection)
