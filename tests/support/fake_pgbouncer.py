"""A proxy in front of the test server that, like PgBouncer, reports another backend process id to its clients."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy.engine import URL, make_url

FAKE_PID = 4_294_967


@contextmanager
def pooler(server: str) -> Iterator[str]:
    """Return the URL of the same database through the proxy."""
    url = make_url(server)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):  # the test is over
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_connect, args=(client, url), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        through = url.set(host="127.0.0.1", port=port, query={"sslmode": "disable", "gssencmode": "disable"})
        yield through.render_as_string(hide_password=False)


def _connect(client: socket.socket, url: URL) -> None:
    with client, _connect_to(url) as server:
        upstream = threading.Thread(target=_forward, args=(client, server), daemon=True)
        upstream.start()
        _forward_startup(server, client)
        _forward(server, client)
        upstream.join()


def _connect_to(url: URL) -> socket.socket:
    folder = url.query.get("host")
    if not folder:
        return socket.create_connection((url.host or "127.0.0.1", url.port or 5432))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{folder}/.s.PGSQL.{url.port or 5432}")
    return server


def _forward_startup(server: socket.socket, client: socket.socket) -> None:
    """Forward the messages of the server until it is ready, with FAKE_PID in BackendKeyData."""
    kind = b""
    with server.makefile("rb") as stream:
        while kind != b"Z":
            kind, length = stream.read(1), stream.read(4)
            payload = stream.read(struct.unpack("!i", length)[0] - 4)
            client.sendall(kind + length + (struct.pack("!i", FAKE_PID) + payload[4:] if kind == b"K" else payload))


def _forward(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
