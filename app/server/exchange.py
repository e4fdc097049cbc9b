"""One request and its response: check the headers, read the body, run the application, send the response."""

import errno
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import gevent
import structlog
from gevent.lock import BoundedSemaphore
from gunicorn.http.errors import NoMoreData

from app.server import refusals
from app.server.application import Application, AppResponse, ClientDisconnected
from app.server.bodies import SMALL_BODY, BodyReader, BodyTimeout, IncompleteBody, InvalidBody, MemoryBudget
from app.server.probes import PATHS, Probes
from app.server.refusals import Refusal
from app.server.waiting import WaitingRequests
from app.web.admission import HeadersFirstFlask
from app.web.long_polling import LongPoll
from app.web.server_environ import BODY_LIMIT, HEADERS_ONLY, LONG_POLL, REQUEST_ID, SAFE_METHODS

LARGE_BODY = 1024 * 1024
"""Bytes. Only a limited number of larger bodies is processed at the same time: parsed, they take ten times as much."""

LARGE_BODY_WAIT_S = 15

MAX_THREADS = 16
"""Threads of a worker when many wait for the database. Each uses a connection to it."""
SEND_BYTES = 128 * 1024
LINGER_S = 2

log = structlog.get_logger("app.server")


@dataclass
class WorkerState:
    """What the requests of one worker share."""

    application: Application
    probes: Probes
    budget: MemoryBudget
    writers: BoundedSemaphore
    """Requests that may write. Waiting for locks, they must leave threads to those that read."""
    large_bodies: BoundedSemaphore
    max_body_bytes: int
    metrics_port: int | None
    checks_headers: bool
    """Whether the application can be called with HEADERS_ONLY."""
    waiting: WaitingRequests
    stopping: bool = False

    @classmethod
    def of(cls, wsgi: Any, threads: int) -> "WorkerState":
        config = getattr(wsgi, "config", {})
        metrics_bind = config.get("METRICS_BIND")
        application = Application(wsgi, threads, MAX_THREADS)
        return cls(
            application=application,
            writers=BoundedSemaphore(MAX_THREADS - threads),
            probes=Probes(wsgi),
            budget=MemoryBudget(),
            large_bodies=BoundedSemaphore(config.get("MAX_CONCURRENT_LARGE_BODIES") or 2),
            max_body_bytes=config.get("MAX_BODY_BYTES") or 2**25,
            metrics_port=metrics_bind[1] if metrics_bind else None,
            checks_headers=isinstance(wsgi, HeadersFirstFlask),
            waiting=WaitingRequests(application),
        )


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


@dataclass
class Exchange:
    """A request on a connection, with its response."""

    state: WorkerState
    req: Any
    sock: Any
    environ: dict[str, Any]
    response: Any
    expects_continue: bool
    on_metrics_port: bool

    def __post_init__(self) -> None:
        self._body = BodyReader(self.req, self.sock, self.state.budget, self.expects_continue)
        self._started = time.perf_counter()

    def run(self) -> None:
        """Answer the request. If the connection cannot be used again, the response says so."""
        try:
            self._run()
        except _Refused as error:
            self._refuse(error.refusal)
        except BodyTimeout:
            self._refuse(refusals.TIMEOUT)
        except InvalidBody as error:
            self._refuse(refusals.refusal_of(error.reason))
        except (IncompleteBody, NoMoreData, ClientDisconnected, TimeoutError, BrokenPipeError, ConnectionResetError):
            self.response.force_close()
        except Exception as error:
            log.error("request_failed", request_id=self.environ[REQUEST_ID], exc_info=error)
            self.response.force_close()
            self._refuse(refusals.INTERNAL)
        finally:
            self._body.close()
        if self.response.should_close():
            self.linger(self.sock)

    def _run(self) -> None:
        self._check_port()
        self._body.read_small()
        probe = self.state.probes.response(self.environ, self.is_disconnected)
        if probe is not None:
            others = [header for header in probe.headers if header[0] != "X-Request-Id"]
            probe.headers = [*others, ("X-Request-Id", self.environ[REQUEST_ID])]
            self._send(probe)
        elif self._body.complete:
            self._answer()
        else:
            self._answer_large()

    def _check_port(self) -> None:
        """With METRICS_BIND, /metrics is there only, and nothing but the probes is there."""
        path = self.environ["PATH_INFO"]
        if self.on_metrics_port:
            hidden = path not in PATHS
        else:
            hidden = path == "/metrics" and self.state.metrics_port is not None
        if hidden:
            raise _Refused(refusals.NOT_FOUND)

    def _answer(self) -> None:
        self.environ["wsgi.input"] = self._body.file
        self.environ["CONTENT_LENGTH"] = str(self._body.received)
        self.environ.pop("HTTP_TRANSFER_ENCODING", None)  # the body is not chunked any more
        if self.environ["REQUEST_METHOD"] in SAFE_METHODS:
            self._send(self._read())
        else:
            with self.state.writers:
                response = self.state.application.call(self.environ, self.is_disconnected)
            self._send(response)

    def _read(self) -> AppResponse:
        """Return the response to a request that only reads, and may wait for changes."""
        poll = LongPoll()
        self.environ[LONG_POLL] = poll
        while True:
            response = self.state.application.call(self.environ, self.is_disconnected)
            wait, poll.wait = poll.wait, None
            if wait is None:
                return response
            self.state.waiting.wait(wait, self.is_disconnected, lambda: self.state.stopping)
            if self.state.stopping:
                poll.deadline = 0

    def _answer_large(self) -> None:
        """Let the application check the headers before it gets the body."""
        if self.state.checks_headers:
            check = self.state.application.call({**self.environ, HEADERS_ONLY: self.environ}, self.is_disconnected)
            if BODY_LIMIT not in self.environ:
                self._drain()
                self._send(check)
                return
        limit = self.environ.get(BODY_LIMIT, self.state.max_body_bytes)
        self._read_large(limit)
        if self._body.received <= LARGE_BODY or limit > self.state.max_body_bytes:
            self._answer()
            return
        if not self.state.large_bodies.acquire(timeout=LARGE_BODY_WAIT_S):
            raise _Refused(refusals.BUSY)
        try:
            self._answer()
        finally:
            self.state.large_bodies.release()

    def _read_large(self, limit: int) -> None:
        """Read the body. One over the limit is given to the application up to the first byte too many."""
        try:
            self._body.read(limit)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE):
                raise
            log.error("no_space_for_body", request_id=self.environ[REQUEST_ID])
            self._drain()
            raise _Refused(refusals.NO_SPACE) from None
        if not self._body.complete:
            self._body.file.seek(0)
            self._drain()

    def _drain(self) -> None:
        if not self._body.drain(2 * self.state.max_body_bytes):
            self.response.force_close()

    def _send(self, response: AppResponse) -> None:
        """Send the response, and compute the rest of its body meanwhile, batch by batch."""
        self.response.start_response(response.status, response.headers)
        try:
            self._write(response.chunks)
            while response.iterator is not None:
                self.state.application.compute_next(response, self.is_disconnected)
                self._write(response.chunks)
            self.response.close()
        except BaseException:
            self.state.application.close(response)
            raise

    def _write(self, chunks: list[bytes]) -> None:
        data = b"" if self.environ["REQUEST_METHOD"] == "HEAD" else b"".join(chunks)
        for start in range(0, len(data), SEND_BYTES):
            self.response.write(data[start : start + SEND_BYTES])

    def _refuse(self, refusal: Refusal) -> None:
        """Send a response of the server itself, and log it: the application does not know of this request."""
        request_id = self.environ[REQUEST_ID]
        milliseconds = round((time.perf_counter() - self._started) * 1000, 1)
        log.warning(
            "request_refused", request_id=request_id, status=refusal.status, error=refusal.code, ms=milliseconds
        )
        self.response.force_close()
        if self.response.headers_sent:
            return
        for_browser = "text/html" in self.environ.get("HTTP_ACCEPT", "")
        for_browser = for_browser and not self.environ["PATH_INFO"].startswith("/api/")
        with suppress(OSError):  # the client has disconnected
            self.sock.sendall(refusals.as_bytes(refusal, request_id, for_browser))

    def is_disconnected(self) -> bool:
        """Return whether the client has closed the connection. Data on it would be a further request."""
        try:
            return not self.sock._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    @staticmethod
    def linger(sock: Any) -> None:
        """Close the connection for writing, and discard what the client still sends.

        To close it while data is unread would send a reset, and the client would lose the response.
        """
        try:
            sock.shutdown(socket.SHUT_WR)
            with gevent.Timeout(LINGER_S, False):
                while sock.recv(SMALL_BODY):
                    pass
        except OSError:
            pass
