"""The service with a gap to be killed in: what a POST does is done, and its answer is not sent for a while."""

import time
from collections.abc import Iterable
from typing import Any

from wsgi import app

PAUSE_S = 60

answered = app.wsgi_app


def held_back(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    answer = answered(environ, start_response)
    if environ["REQUEST_METHOD"] == "POST":
        time.sleep(PAUSE_S)
    return answer


app.wsgi_app = held_back  # type: ignore[method-assign]
