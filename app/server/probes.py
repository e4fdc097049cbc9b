"""/healthz, /readyz and /metrics, which answer whatever the threads of the application wait for."""

import time
from collections.abc import Callable
from typing import Any

import gevent
import structlog

from app.server.application import Application, AppResponse

READY_TIMEOUT_S = 0.25
FIRST_READY_TIMEOUT_S = 3.0
MAX_AGE_S = 10.0
"""If the database needs longer than READY_TIMEOUT_S, a result of this age still counts."""

PATHS = ("/healthz", "/readyz", "/metrics")

log = structlog.get_logger("app.server")


class Probes:
    """The probes of one worker. /readyz and /metrics have threads of their own."""

    def __init__(self, wsgi: Any) -> None:
        self._application = Application(wsgi, threads=1, max_threads=3)
        self._check: gevent.Greenlet | None = None
        self._last: tuple[float, AppResponse] | None = None

    def response(self, environ: dict[str, Any], is_disconnected: Callable[[], bool]) -> AppResponse | None:
        """Return the response of a probe, or None for any other path."""
        path = environ["PATH_INFO"]
        if path not in PATHS or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        if path == "/healthz":
            return _json("200 OK", b'{"status":"ok"}\n')
        if path == "/metrics":
            return self._application.call(environ, is_disconnected)
        return self._ready(environ)

    def _ready(self, environ: dict[str, Any]) -> AppResponse:
        """Return the result of a check that may still run, or the last one if it is recent enough."""
        if self._check is None:
            self._check = gevent.spawn(self._run_check, environ)
        self._check.join(timeout=READY_TIMEOUT_S if self._last else FIRST_READY_TIMEOUT_S)
        if self._last and time.monotonic() - self._last[0] < MAX_AGE_S:
            done = self._last[1]
            return AppResponse(done.status, list(done.headers), list(done.chunks))
        slow = _json("503 Service Unavailable", b'{"status":"the database does not answer"}\n')
        slow.headers.append(("Retry-After", "5"))
        return slow

    def _run_check(self, environ: dict[str, Any]) -> None:
        try:
            response = self._application.call(environ, lambda: False)
            self._last = time.monotonic(), response
        except Exception as error:
            log.error("readiness_check_failed", error=type(error).__name__)
        finally:
            self._check = None


def _json(status: str, body: bytes) -> AppResponse:
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return AppResponse(status, headers, [body])
