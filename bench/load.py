"""HTTP clients on kept connections that cost as little processor time as possible, since they share the machine."""

import selectors
import socket
import time
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: bench", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


CONNECT_INTERVAL = 0.05
"""Seconds between the connections of two clients: at once, one idle worker would accept them all and another none."""


def responses_per_second(address: str, requests: list[bytes], *, clients: int, seconds: float) -> float:
    """Return the rate of 200 responses when each client sends its next request as soon as it has a response."""
    url, queue = urlsplit(address), cycle(requests)
    with selectors.DefaultSelector() as selector:

        def measure(seconds: float) -> float:
            responses, started = 0, time.perf_counter()
            while time.perf_counter() - started < seconds:
                for key, _events in selector.select(timeout=0.01):
                    if _read_response(key.fileobj, key.data):
                        responses += 1
                        key.fileobj.sendall(next(queue))
            return responses / (time.perf_counter() - started)

        for _ in range(clients):
            connection = socket.create_connection((url.hostname, url.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(next(queue))
            selector.register(connection, selectors.EVENT_READ, bytearray())
            measure(CONNECT_INTERVAL)
        rate = measure(seconds)
        for key in list(selector.get_map().values()):
            key.fileobj.close()
    return rate


def _read_response(connection: Any, buffer: bytearray) -> bool:
    """Read available bytes and return whether the response is complete. Raises AssertionError unless it is a 200."""
    data = connection.recv(65_536)
    assert data, "the server closed the connection"
    buffer += data
    head, found, rest = bytes(buffer).partition(b"\r\n\r\n")
    if not found:
        return False
    assert head.startswith(b"HTTP/1.1 200"), head.decode()
    length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    if len(rest) < length:
        return False
    buffer.clear()
    return True
