"""Work that goes on after its request: a thread for each duty in every worker process, and no further server.

Which piece of work is whose is decided in the database, by leases: a worker that dies leaves its work to the others.
"""

import threading
from collections.abc import Callable

import structlog
from flask import Flask, current_app

from app.access.token_request_log import write_token_requests
from app.core.database import db
from app.core.errors import Unavailable
from app.jobs.bulk_edits import apply_bulk_edit, check_edit
from app.jobs.imports import apply_import, check_import
from app.jobs.runner import work_on_next
from app.webhooks.delivery import deliver_next

PAUSE_S = 1.0
PAUSE_AFTER_FAULT_S = 10.0

Stop = threading.Event
"""Set when the process is about to end: put down what is in hand, so that another takes it up at once."""

Duty = Callable[[Stop], bool]
"""Does the next piece of work, if there is any, and says whether there was."""


def work_on_jobs(stop: Stop) -> bool:
    return work_on_next(HANDLERS, stop)


def deliver_webhooks(_stop: Stop) -> bool:
    return deliver_next(current_app.config["SECRET_KEY"], current_app.config["WEBHOOK_ALLOWED_HOSTS"] or ())


HANDLERS = {
    ("import", "checking"): check_import,
    ("import", "applying"): apply_import,
    ("edit", "checking"): check_edit,
    ("edit", "applying"): apply_bulk_edit,
}
DUTIES: tuple[Duty, ...] = (work_on_jobs, write_token_requests, deliver_webhooks)

log = structlog.get_logger()


_news = threading.Event()
_running = False


def wake() -> bool:
    """There is something to do: look now, not at the next pause. Whether there is anybody in this process to do it."""
    _news.set()
    return _running


def start(app: Flask) -> Callable[[], None]:
    """Begin with every duty. Gives back what ends them, and waits for it."""
    stop = Stop()
    threads = [threading.Thread(target=_serve, args=(app, duty, stop), daemon=True) for duty in DUTIES]
    for thread in threads:
        thread.start()
    global _running  # noqa: PLW0603 - the process has these threads, or it has not
    _running = True

    def end() -> None:
        stop.set()
        _news.set()
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
                stop.wait(PAUSE_AFTER_FAULT_S)
            finally:
                db.session.remove()
        if not worked:
            _news.wait(PAUSE_S)
            _news.clear()
