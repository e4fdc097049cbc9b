"""/healthz and /readyz, which must answer whatever the threads of the application wait for."""

import time
from collections.abc import Callable
from typing import Any

import gevent

from app.server.application import Application, AppResponse, ClientGone

READY_TIMEOUT_S = 0.25
MAX_AGE_S = 5.0
"""If the database needs longer than READY_TIMEOUT_S, a result of this age still counts."""

PATHS = ("/healthz", "/readyz", "/metrics")


class Probes:
    """The probes of one worker. /readyz and /metrics have threads of their own."""

    def __init__(self, wsgi: Any) -> None:
        self._application = Application(wsgi, threads=1, max_threads=3)
        self._last_ready: tuple[float, AppResponse] | None = None

    def response(self, environ: dict[str, Any], is_client_gone: Callable[[], bool]) -> AppResponse | None:
        """Return the response of a probe, or None for any other path."""
        path = environ["PATH_INFO"]
        if path not in PATHS or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        if path == "/healthz":
            return _json("200 OK", b'{"status":"ok"}\n')
        if path == "/metrics":
            return self._application.call(environ, is_client_gone)
        return self._ready(environ)

    def _ready(self, environ: dict[str, Any]) -> AppResponse:
        try:
            with gevent.Timeout(READY_TIMEOUT_S, ClientGone):
                response = self._application.call(environ, lambda: False)
            self._last_ready = time.monotonic(), response
            return response
        except ClientGone:
            pass
        if self._last_ready and time.monotonic() - self._last_ready[0] < MAX_AGE_S:
            return self._last_ready[1]
        slow = _json("503 Service Unavailable", b'{"status":"the database does not answer"}\n')
        slow.headers.append(("Retry-After", "5"))
        return slow


def _json(status: str, body: bytes) -> AppResponse:
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return AppResponse(status, headers, [body])
