"""Let a request wait for a change without a thread.

A view calls `wait_for_change`, and the server calls the view again when the value has changed. The view looks again,
and may wait again until the time is over. Under another server `wait_for_change` returns at once.
"""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from flask import current_app, request

from app.web.server_environ import LONG_POLL


@dataclass
class LongPoll:
    """In the WSGI environment, from the server: until when and for what the request waits."""

    deadline: float | None = None
    """By the monotonic clock; None as long as the request has not waited."""
    progress: Any = None
    """What the view has found out, for its next call."""
    wait: "WaitForChange | None" = None


@dataclass
class WaitForChange(BaseException):
    """End this call of the view. Not an Exception, because no error handler may answer it."""

    key: Hashable
    """Requests with the same key wait for the same value, which is then computed for all of them."""
    probe: Callable[[], object]
    """Return the present value."""
    seen: object
    deadline: float


def wait_for_change(
    key: Hashable, probe: Callable[[], object], seen: object, seconds: float, progress: Any = None
) -> None:
    """End this call of the view until `probe()` differs from `seen`; its next call gets `progress`.

    Return if the request has waited for `seconds` in all, or if the server cannot let it wait.
    """
    poll: LongPoll | None = request.environ.get(LONG_POLL)
    if poll is None:
        return
    if poll.deadline is None:
        poll.deadline = time.monotonic() + seconds
    if time.monotonic() >= poll.deadline:
        return
    poll.progress = progress
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def probe_in_context() -> object:
        with app.app_context():
            return probe()

    raise WaitForChange(key, probe_in_context, seen, poll.deadline)


def has_waited() -> bool:
    """Return whether this is a further call of the view, after the request has waited."""
    poll: LongPoll | None = request.environ.get(LONG_POLL)
    return poll is not None and poll.deadline is not None


def progress() -> Any:
    """Return what the view passed to `wait_for_change` in its call before; None in the first call."""
    poll: LongPoll | None = request.environ.get(LONG_POLL)
    return poll.progress if poll else None


def suspend(wait: WaitForChange) -> None:
    """Hand the wait over to the server."""
    request.environ[LONG_POLL].wait = wait
