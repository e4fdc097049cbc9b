"""Clients that do nothing but ask, over connections they keep: as cheap as it goes, since they share the machine."""

import selectors
import socket
import time
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: bench", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


APART = 0.05
"""Seconds between two clients that come: all at once, one idle worker would take them all and another none."""


def answers_a_second(address: str, requests: list[bytes], *, clients: int, seconds: float) -> float:
    """How many requests, taken in turn, are answered by 200 when so many clients send the next one at each answer."""
    url, ahead = urlsplit(address), cycle(requests)
    with selectors.DefaultSelector() as selector:

        def answered_within(seconds: float) -> float:
            """How many a second."""
            answered, started = 0, time.perf_counter()
            while time.perf_counter() - started < seconds:
                for key, _events in selector.select(timeout=0.01):
                    if _take(key.fileobj, key.data):
                        answered += 1
                        key.fileobj.sendall(next(ahead))
            return answered / (time.perf_counter() - started)

        for _ in range(clients):
            connection = socket.create_connection((url.hostname, url.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(next(ahead))
            selector.register(connection, selectors.EVENT_READ, bytearray())
            answered_within(APART)
        rate = answered_within(seconds)
        for key in list(selector.get_map().values()):
            key.fileobj.close()
    return rate


def _take(connection: Any, read: bytearray) -> bool:
    """Read what has come: whether that is a whole answer now. Raises AssertionError if it is not a 200."""
    came = connection.recv(65_536)
    assert came, "the server closed the connection"
    read += came
    head, found, rest = bytes(read).partition(b"\r\n\r\n")
    if not found:
        return False
    assert head.startswith(b"HTTP/1.1 200"), head.decode()
    length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    if len(rest) < length:
        return False
    read.clear()
    return True
