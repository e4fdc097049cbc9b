"""A pooler before the test server, as far as a client can tell: it makes up the number of the client's session."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy.engine import URL, make_url

MADE_UP = 4_294_967


@contextmanager
def pooler(server: str) -> Iterator[str]:
    """The URL of the same database through the pooler."""
    url = make_url(server)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):  # closed: the test is over
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_connect, args=(client, url), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        through = url.set(host="127.0.0.1", port=port, query={"sslmode": "disable", "gssencmode": "disable"})
        yield through.render_as_string(hide_password=False)


def _connect(client: socket.socket, url: URL) -> None:
    with client, _to(url) as server:
        there = threading.Thread(target=_pass_on, args=(client, server), daemon=True)
        there.start()
        _greet(server, client)
        _pass_on(server, client)
        there.join()


def _to(url: URL) -> socket.socket:
    folder = url.query.get("host")
    if not folder:
        return socket.create_connection((url.host or "127.0.0.1", url.port or 5432))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{folder}/.s.PGSQL.{url.port or 5432}")
    return server


def _greet(server: socket.socket, client: socket.socket) -> None:
    """Pass the server's messages on until it is ready, and put our number into BackendKeyData."""
    kind = b""
    with server.makefile("rb") as answer:
        while kind != b"Z":
            kind, length = answer.read(1), answer.read(4)
            told = answer.read(struct.unpack("!i", length)[0] - 4)
            client.sendall(kind + length + (struct.pack("!i", MADE_UP) + told[4:] if kind == b"K" else told))


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while came := one.recv(65_536):
            other.sendall(came)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
