"""Work that goes on after its request: a thread for each duty in every worker process, and no further server.

Which piece of work is whose is decided in the database, by leases: a worker that dies leaves its work to the others.
"""

import threading
from collections.abc import Callable

import structlog
from flask import Flask, current_app

from app.access.token_request_log import write_request_log
from app.core.database import db
from app.core.errors import Unavailable
from app.jobs.bulk_edits import apply_bulk_edit, preview_bulk_edit
from app.jobs.imports import apply_import, preview_import
from app.jobs.runner import run_next_job
from app.webhooks.delivery import deliver_next

POLL_INTERVAL_S = 1.0
ERROR_BACKOFF_S = 10.0

Stop = threading.Event
"""Set when the process is about to end: put down what is in hand, so that another takes it up at once."""

Task = Callable[[Stop], bool]
"""Does the next piece of work, if there is any, and says whether there was."""


def work_on_jobs(stop: Stop) -> bool:
    return run_next_job(HANDLERS, stop)


def deliver_webhooks(_stop: Stop) -> bool:
    return deliver_next(current_app.config["SECRET_KEY"], current_app.config["WEBHOOK_ALLOWED_HOSTS"] or ())


HANDLERS = {
    ("import", "checking"): preview_import,
    ("import", "applying"): apply_import,
    ("edit", "checking"): preview_bulk_edit,
    ("edit", "applying"): apply_bulk_edit,
}
TASKS: tuple[Task, ...] = (work_on_jobs, write_request_log, deliver_webhooks)

log = structlog.get_logger()


_wake_event = threading.Event()
_running = False


def notify_workers() -> bool:
    """There is something to do: look now, not at the next pause. Whether there is anybody in this process to do it."""
    _wake_event.set()
    return _running


def start(app: Flask) -> Callable[[], None]:
    """Begin with every duty. Gives back what ends them, and waits for it."""
    stop = Stop()
    threads = [threading.Thread(target=_run_loop, args=(app, duty, stop), daemon=True) for duty in TASKS]
    for thread in threads:
        thread.start()
    global _running  # noqa: PLW0603 - the process has these threads, or it has not
    _running = True

    def end() -> None:
        stop.set()
        _wake_event.set()
        for thread in threads:
            thread.join(timeout=10)

    return end


def _run_loop(app: Flask, duty: Task, stop: Stop) -> None:
    while not stop.is_set():
        worked = False
        with app.app_context():
            try:
                worked = duty(stop)
            except Unavailable:
                pass  # the database is away or busy: look again in a moment
            except Exception:
                log.exception("background work failed", duty=duty.__name__)
                stop.wait(ERROR_BACKOFF_S)
            finally:
                db.session.remove()
        if not worked:
            _wake_event.wait(POLL_INTERVAL_S)
            _wake_event.clear()
