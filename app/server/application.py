"""Run a WSGI application in threads, for the greenlets of an event loop."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gevent

from app.server.threads import Threads
from app.web.cancellation import Cancellation
from app.web.server_environ import CANCELLATION

BATCH_BYTES = 256 * 1024
"""A thread computes so much of a response before the event loop sends it. Most responses are smaller."""

PATIENCE_S = 1.0
"""Requests that take longer are checked this often: if the client has disconnected, their work is cancelled."""

T = TypeVar("T")


class ClientDisconnected(Exception):
    """The client closed the connection before its response was complete."""


@dataclass
class AppResponse:
    """A response, whose body may not be complete yet."""

    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    iterator: Iterator[bytes] | None = None
    """The rest of the body; None if `chunks` complete it."""
    iterable: Any = None
    cancellation: Cancellation = field(default_factory=Cancellation)
    abandoned: bool = False
    """True if the client has disconnected and the response is not needed."""
    context: contextvars.Context = field(default_factory=contextvars.Context)
    """All threads that compute a part of the response run in this context."""

    def start(self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Callable[[bytes], None]:
        self.status, self.headers = status, headers
        return self.chunks.append

    def compute(self) -> None:
        """Compute the next batch of the body."""
        size, self.chunks = 0, self.chunks if self.iterator is None else []
        self.iterator = self.iterator or iter(self.iterable)
        for chunk in self.iterator:
            self.chunks.append(chunk)
            size += len(chunk)
            if size >= BATCH_BYTES:
                return
        self.close()

    def close(self) -> None:
        """End the application's work on this response."""
        iterable, self.iterable, self.iterator = self.iterable, None, None
        if hasattr(iterable, "close"):
            iterable.close()


class Application:
    """A WSGI application with a pool of threads."""

    def __init__(self, wsgi: Any, threads: int, max_threads: int) -> None:
        self._wsgi = wsgi
        self._threads = Threads(threads, max_threads)

    def call(self, environ: dict[str, Any], is_disconnected: Callable[[], bool]) -> AppResponse:
        """Return the response with the first batch of its body. Raises ClientDisconnected."""
        response = AppResponse()
        environ[CANCELLATION] = response.cancellation

        def work() -> None:
            if not response.abandoned:
                response.iterable = self._wsgi(environ, response.start)
                response.compute()

        self._run(response, work, is_disconnected)
        return response

    def run(self, function: Callable[[], T]) -> T:
        """Return the result of a function, which runs in a thread. Raises what it raises."""
        results: list[T] = []
        error = self._threads.submit(contextvars.Context(), lambda: results.append(function())).get()
        if error is not None:
            raise error
        return results[0]

    def compute_next(self, response: AppResponse, is_disconnected: Callable[[], bool]) -> None:
        """Compute the next batch of the body. Raises ClientDisconnected."""
        self._run(response, response.compute, is_disconnected)

    def close(self, response: AppResponse) -> None:
        """End the work on a response that was not sent completely."""
        if response.iterable is not None:
            self._threads.submit(response.context, response.close)

    def _close_after(self, result: Any, response: AppResponse) -> None:
        result.wait()
        self.close(response)

    def _run(self, response: AppResponse, work: Callable[[], None], is_disconnected: Callable[[], bool]) -> None:
        result = self._threads.submit(response.context, work)
        while not result.ready():
            result.wait(timeout=PATIENCE_S)
            if not result.ready() and is_disconnected():
                response.abandoned = True
                threading.Thread(target=response.cancellation.cancel, daemon=True).start()
                gevent.spawn(self._close_after, result, response)
                raise ClientDisconnected
        error = result.get()
        if error is not None:
            raise error
