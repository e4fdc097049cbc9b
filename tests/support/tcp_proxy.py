"""A network between the application and PostgreSQL that can fall silent, or break at a chosen message."""

import socket
import threading
from contextlib import suppress
from types import TracebackType

from sqlalchemy.engine import URL


class TcpProxy:
    """Forwards connections to the server of `url`."""

    def __init__(self, url: URL) -> None:
        self._server = url
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.set(host="127.0.0.1", port=port, query={"sslmode": "disable", "gssencmode": "disable"})
        self.silent = False
        """While true, whatever arrives is thrown away."""
        self.cuts = 0
        self._cut_at: bytes | None = None
        self._deliver = False

    def cut_at(self, message: bytes, *, deliver: bool) -> None:
        """Break the next connection on which the client sends `message`; deliver it first, or not."""
        self._cut_at, self._deliver = message, deliver

    def __enter__(self) -> "TcpProxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed: the test is over
            while True:
                client, _ = self._listener.accept()
                ends = client, self._connect(), threading.Event()
                threading.Thread(target=self._from_client, args=ends, daemon=True).start()
                threading.Thread(target=self._from_server, args=ends, daemon=True).start()

    def _connect(self) -> socket.socket:
        folder = self._server.query.get("host")
        if not isinstance(folder, str):
            return socket.create_connection((self._server.host or "127.0.0.1", self._server.port or 5432))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{folder}/.s.PGSQL.{self._server.port or 5432}")
        return server

    def _from_client(self, client: socket.socket, server: socket.socket, answer_lost: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                if self._cut_at and self._cut_at in data:
                    self._cut_at, self.cuts = None, self.cuts + 1
                    if not self._deliver:
                        break
                    answer_lost.set()
                if not self.silent:
                    server.sendall(data)
        _close(client, server)

    def _from_server(self, client: socket.socket, server: socket.socket, answer_lost: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                if answer_lost.is_set():
                    break
                if not self.silent:
                    client.sendall(data)
        _close(client, server)


def _close(*sockets: socket.socket) -> None:
    for end in sockets:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
