"""Work that goes on after its request: a thread for each duty in every worker process, and no further server.

Which piece of work is whose is decided in the database, by leases: a worker that dies leaves its work to the others.
"""

import threading
from collections.abc import Callable

import structlog
from flask import Flask

from app.core.database import db
from app.core.errors import Unavailable
from app.core.token_requests import write_token_requests
from app.webhooks.delivering import deliver_next

PAUSE_S = 1.0

Stop = threading.Event
"""Set when the process is about to end: put down what is in hand, so that another takes it up at once."""

Duty = Callable[[Stop], bool]
"""Does the next piece of work, if there is any, and says whether there was."""

DUTIES: tuple[Duty, ...] = (write_token_requests, deliver_next)

log = structlog.get_logger()


def start(app: Flask) -> Callable[[], None]:
    """Begin with every duty. Gives back what ends them, and waits for it."""
    stop = Stop()
    threads = [threading.Thread(target=_serve, args=(app, duty, stop), daemon=True) for duty in DUTIES]
    for thread in threads:
        thread.start()

    def end() -> None:
        stop.set()
        for thread in threads:
            thread.join(timeout=10)

    return end


def _serve(app: Flask, duty: Duty, stop: Stop) -> None:
    while not stop.is_set():
        worked = False
        with app.app_context():
            try:
                worked = duty(stop)
            except Unavailable:
                pass  # the database is away or busy: look again in a moment
            except Exception:
                log.exception("background work failed", duty=duty.__name__)
            finally:
                db.session.remove()
        if not worked:
            stop.wait(PAUSE_S)
