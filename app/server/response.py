"""gunicorn's response, which sends the head together with the first bytes of the body."""

from typing import Any

from gunicorn import util
from gunicorn.http.wsgi import Response


class OnePacketResponse(Response):  # type: ignore[misc]
    """A response whose head waits for the body: one system call and one packet instead of two."""

    headers_sent: bool

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._head = b""

    def send_headers(self) -> None:
        if self.headers_sent:
            return
        lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
        self._head = "".join(lines).encode("latin-1")
        self.headers_sent = True

    def _emit_body(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if self.chunked:
            data = b"%X\r\n%s\r\n" % (len(data), data)
        util.write(self.sock, head + data)

    def close(self) -> None:
        self.send_headers()
        end = b"0\r\n\r\n" if self.chunked else b""
        if self._head or end:
            util.write(self.sock, self._head + end)
            self._head = b""
