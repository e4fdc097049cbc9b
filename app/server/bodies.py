"""Read the body of a request under deadlines, into memory or a temporary file."""

import io
import tempfile
import time
from typing import IO, Any

import gevent
from gunicorn.http.body import LengthReader
from gunicorn.http.errors import ParseException

SMALL_BODY = 64 * 1024
"""Bytes. More of a body is only read after the headers were checked."""

STALL_TIMEOUT_S = 20
MIN_BYTES_PER_S = 8 * 1024
"""A client that sends nothing for STALL_TIMEOUT_S, or less than this on average, is disconnected."""

MEMORY_BUDGET = 64 * 1024 * 1024
"""Bytes of bodies that a worker holds in memory. Further bodies go to temporary files."""

RECV_BYTES = 1024 * 1024


class BodyTimeout(Exception):
    """The client sends its body too slowly."""


class IncompleteBody(Exception):
    """The client closed the connection within the body."""


class InvalidBody(Exception):
    """A chunk of the body is malformed."""

    def __init__(self, reason: ParseException) -> None:
        super().__init__(type(reason).__name__)
        self.reason = reason


class MemoryBudget:
    """How many bytes of bodies this worker holds in memory."""

    def __init__(self) -> None:
        self.used = 0

    def open(self, size: int) -> IO[bytes]:
        """Return a file for a body of `size` bytes: in memory if there is room, else on disk."""
        return io.BytesIO() if self.used + size <= MEMORY_BUDGET else tempfile.TemporaryFile()


class BodyReader:
    """The body of one request. It is read in steps: up to SMALL_BODY, then up to the limit of its route."""

    def __init__(self, req: Any, sock: Any, budget: MemoryBudget, expects_continue: bool) -> None:
        self._req, self._sock, self._budget = req, sock, budget
        self._expects_continue = expects_continue
        self._started = time.monotonic()
        reader = req.body.reader
        self.length: int | None = reader.length if isinstance(reader, LengthReader) else None
        self.received = 0
        self.complete = self.length == 0
        self._reserved = 0
        self.file: IO[bytes] = io.BytesIO()

    def read_small(self) -> None:
        """Read the body if it is small. Otherwise leave it, or a part of it, in the connection."""
        if self.length is None or self.length <= SMALL_BODY:
            self.read(SMALL_BODY)

    def read(self, limit: int) -> None:
        """Read until the body is complete or has more than `limit` bytes. Raises BodyTimeout and IncompleteBody."""
        if self.complete:
            return
        self._send_continue()
        self._reserve(limit)
        while not self.complete and self.received <= limit:
            self._store(self._receive(limit + 1 - self.received))
        if self.complete:
            self.file.seek(0)

    def drain(self, limit: int) -> bool:
        """Discard the rest of the body, up to `limit` bytes; return whether it is complete.

        Many clients read the response only when they have sent the whole body.
        """
        if self._expects_continue:
            return False  # the client has not sent a body, and will not after an error
        try:
            while not self.complete and self.received <= limit:
                self._receive(RECV_BYTES)
        except (BodyTimeout, IncompleteBody, InvalidBody, OSError):
            return False
        return self.complete

    def close(self) -> None:
        """Release the memory or the file."""
        self._budget.used -= self._reserved
        self._reserved = 0
        self.file.close()

    def _send_continue(self) -> None:
        if self._expects_continue:
            self._expects_continue = False
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _reserve(self, limit: int) -> None:
        """Choose memory or a temporary file for a body of up to `limit` bytes."""
        size = self.length if self.length is not None else limit
        if self._reserved or size <= SMALL_BODY:
            return
        file = self._budget.open(size)
        file.write(self.file.getvalue())  # type: ignore[attr-defined]
        if isinstance(file, io.BytesIO):
            self._reserved = size
            self._budget.used += size
        self.file = file

    def _store(self, data: bytes) -> None:
        self.file.write(data)

    def _receive(self, limit: int) -> bytes:
        """Return the next bytes of the body, which may be more than `limit` if the client sent them in one chunk."""
        elapsed = time.monotonic() - self._started
        if elapsed > STALL_TIMEOUT_S + self.received / MIN_BYTES_PER_S:
            raise BodyTimeout
        with gevent.Timeout(STALL_TIMEOUT_S, BodyTimeout):
            data = self._receive_chunked(limit) if self.length is None else self._receive_plain(limit)
        self.received += len(data)
        return data

    def _receive_chunked(self, limit: int) -> bytes:
        try:
            data: bytes = self._req.body.read(min(limit, SMALL_BODY))
        except ParseException as error:
            raise InvalidBody(error) from None
        self.complete = not data
        return data

    def _receive_plain(self, limit: int) -> bytes:
        """Read from the socket itself, in large pieces: gunicorn's reader copies each byte several times."""
        reader = self._req.body.reader
        size = min(limit, reader.length, RECV_BYTES)
        buffered: bytes = reader.unreader.take_buffered()
        if buffered:
            data, rest = buffered[: reader.length], buffered[reader.length :]
            reader.unreader.unread(rest)
        else:
            data = self._sock.recv(size)
        if not data:
            raise IncompleteBody
        reader.length -= len(data)
        self.complete = reader.length == 0
        return data
