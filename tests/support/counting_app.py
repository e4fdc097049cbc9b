"""The service with a header X-Running in responses to large bodies: how many of them it processed at the same time."""

import threading
from collections.abc import Iterable
from typing import Any

from app.server.exchange import LARGE_BODY
from app.web.server_environ import HEADERS_ONLY
from wsgi import app

PATIENCE_S = 1.0
"""How long a large body is held, so that others could come."""

respond = app.wsgi_app
_changed = threading.Condition()
_running = [0]


def respond_and_count(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if HEADERS_ONLY in environ or int(environ.get("CONTENT_LENGTH") or 0) <= LARGE_BODY:
        return respond(environ, start_response)
    with _changed:
        _running[0] += 1
        _changed.notify_all()
        _changed.wait_for(lambda: _running[0] > 1, PATIENCE_S)
        running = ("X-Running", str(_running[0]))

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        return start_response(status, [*headers, running], *rest)

    try:
        return respond(environ, start)
    finally:
        with _changed:
            _running[0] -= 1


app.wsgi_app = respond_and_count  # type: ignore[method-assign]
