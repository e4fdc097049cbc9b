"""The service with a pause between a POST's commit and its response, in which a test can kill it."""

import time
from collections.abc import Iterable
from typing import Any

from wsgi import app

PAUSE_S = 60

respond = app.wsgi_app


def respond_later(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    response = respond(environ, start_response)
    if environ["REQUEST_METHOD"] == "POST":
        time.sleep(PAUSE_S)
    return response


app.wsgi_app = respond_later  # type: ignore[method-assign]
