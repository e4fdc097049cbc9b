"""Background work: every worker process runs one thread per task.

Leases in the database decide which process does a piece of work. If a process dies, another one takes over its work.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from flask import Flask, current_app

from app.access.audit_log import prune_audit_log
from app.access.refusal_counts import write_refusal_counts
from app.access.token_request_log import write_request_log
from app.core.changes.erasure import purge_deleted, purge_is_due
from app.core.changes.erasure_log import remove_old_erasures
from app.core.counts.compaction import compact_when_due
from app.core.counts.size_alerts import remove_old_alerts
from app.core.database import db, now
from app.core.errors import Unavailable
from app.core.history.retention import prune, remove_old_deletions
from app.jobs.abandoned import end_abandoned_change_sets
from app.jobs.api_jobs import apply_api_job, check_api_job
from app.jobs.bulk_edits import apply_bulk_edit, preview_bulk_edit
from app.jobs.imports import apply_import, preview_import
from app.jobs.members import apply_members
from app.jobs.reverts import apply_revert_job, preview_revert_job
from app.jobs.runner import run_next_job
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import delete_expired_uploads
from app.web.secret_keys import secret_keys
from app.webhooks.delivery import deliver_next
from app.webhooks.missed_nights import check_missed_nights
from app.webhooks.segment_alerts import check_segment_alerts

POLL_INTERVAL_S = 1.0
ERROR_BACKOFF_S = 10.0
RETENTION_INTERVAL_S = 3600.0
COMPACTION_INTERVAL_S = 2.0
PURGE_PAUSE = 100
"""The pause before the next purge, as a multiple of the time that the last one took."""
ALERT_INTERVAL_S = 60.0
NIGHT_INTERVAL_S = 300.0
ABANDONED_INTERVAL_S = 15.0

Stop = threading.Event
"""Set when the process is about to end. A task then releases its work, so that another process continues it."""

Task = Callable[[Stop], bool]
"""Do the next piece of work, if any, and return whether there was one."""


def work_on_jobs(stop: Stop) -> bool:
    return run_next_job(HANDLERS, stop)


def deliver_webhooks(_stop: Stop) -> bool:
    return deliver_next(secret_keys(), current_app.config["WEBHOOK_ALLOWED_HOSTS"] or ())


def apply_retention(stop: Stop) -> bool:
    """Delete old changes, entries of the audit log and of deletions, and uploads, at the start and once an hour."""
    prune_audit_log(timedelta(days=current_app.config["AUDIT_RETENTION_DAYS"]))
    delete_expired_uploads()
    remove_old_deletions()
    remove_old_erasures()
    remove_old_alerts()
    if days := current_app.config["HISTORY_RETENTION_DAYS"]:
        prune(now() - timedelta(days=days))
    _pause(stop, RETENTION_INTERVAL_S)
    return True


def end_abandoned(stop: Stop) -> bool:
    """End the change sets of killed commands, so that they can be reverted."""
    end_abandoned_change_sets()
    _pause(stop, ABANDONED_INTERVAL_S)
    return True


def compact_ledger(stop: Stop) -> bool:
    """Fold the ledger of counts when it has many recent rows."""
    if compact_when_due():
        return True
    _pause(stop, COMPACTION_INTERVAL_S)
    return True


def purge_erased(stop: Stop) -> bool:
    """Overwrite erased customers in SQLite's file. Writers wait meanwhile: for a hundredth of the time at most."""
    if purge_is_due():
        started = time.monotonic()
        try:
            purge_deleted()
        finally:
            _pause(stop, PURGE_PAUSE * (time.monotonic() - started))
    return False


def watch_sizes(stop: Stop) -> bool:
    """Raise and clear the alerts on the sizes of segments, once a minute."""
    if check_segment_alerts():
        notify_workers()
    _pause(stop, ALERT_INTERVAL_S)
    return True


def watch_nights(stop: Stop) -> bool:
    """Report to the webhooks which nightly senders have not come today, every five minutes."""
    if check_missed_nights(current_app.config["TIME_ZONE"], now()):
        notify_workers()
    _pause(stop, NIGHT_INTERVAL_S)
    return True


def _pause(stop: Stop, seconds: float) -> None:
    """Wait without a transaction: while one reads, SQLite's log is never emptied and grows."""
    db.session.remove()
    stop.wait(seconds)


HANDLERS = {
    (JobKind.IMPORT, JobState.CHECKING): preview_import,
    (JobKind.IMPORT, JobState.APPLYING): apply_import,
    (JobKind.API, JobState.CHECKING): check_api_job,
    (JobKind.API, JobState.APPLYING): apply_api_job,
    (JobKind.MEMBERS, JobState.APPLYING): apply_members,
    (JobKind.EDIT, JobState.CHECKING): preview_bulk_edit,
    (JobKind.EDIT, JobState.APPLYING): apply_bulk_edit,
    (JobKind.REVERT, JobState.CHECKING): preview_revert_job,
    (JobKind.REVERT, JobState.APPLYING): apply_revert_job,
}
TASKS: tuple[Task, ...] = (
    work_on_jobs,
    write_request_log,
    write_refusal_counts,
    deliver_webhooks,
    apply_retention,
    end_abandoned,
    compact_ledger,
    purge_erased,
    watch_sizes,
    watch_nights,
)

log = structlog.get_logger()


_wake_event = threading.Event()
_running = False


def notify_workers() -> bool:
    """Wake the tasks of this process; return whether it runs any."""
    _wake_event.set()
    return _running


def start(app: Flask) -> Callable[[], None]:
    """Start a thread for every task. Return a function that stops the threads and waits for them."""
    stop = Stop()
    threads = [threading.Thread(target=_run_loop, args=(app, task, stop), daemon=True) for task in TASKS]
    for thread in threads:
        thread.start()
    global _running  # noqa: PLW0603 - one set of threads per process
    _running = True

    def end() -> None:
        stop.set()
        _wake_event.set()
        for thread in threads:
            thread.join(timeout=10)

    return end


def _run_loop(app: Flask, task: Task, stop: Stop) -> None:
    while not stop.is_set():
        worked = False
        with app.app_context():
            try:
                worked = task(stop)
            except Unavailable:
                pass  # the database is unavailable: try again after the pause
            except Exception:
                log.exception("background_task_failed", task=task.__name__)
                stop.wait(ERROR_BACKOFF_S)
            finally:
                db.session.remove()
        if not worked:
            _wake_event.wait(POLL_INTERVAL_S)
            _wake_event.clear()
