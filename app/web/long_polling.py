"""Let a request wait for a change without a thread.

A view calls `wait_for_change`, and the server calls the view again when the value has changed or the time is over.
Under another server, and in the second call, the view continues at once.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from flask import current_app, g, request

from app.web.server_environ import CLIENT, LONG_POLL


@dataclass
class LongPoll:
    """In the WSGI environment, from the server: whether and for what the request waits."""

    has_waited: bool = False
    wait: "WaitForChange | None" = None


@dataclass
class WaitForChange(BaseException):
    """End this call of the view. Not an Exception, because no error handler may answer it."""

    key: Hashable
    """Requests with the same key wait for the same value, which is then computed for all of them."""
    probe: Callable[[], object]
    """Return the present value."""
    seen: object
    seconds: float


def wait_for_change(key: Hashable, probe: Callable[[], object], seen: object, seconds: float) -> None:
    """Return when `probe()` differs from `seen`, or after `seconds`, or at once if the server cannot wait."""
    poll: LongPoll | None = request.environ.get(LONG_POLL)
    if poll is None or poll.has_waited or seconds <= 0:
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def probe_in_context() -> object:
        with app.app_context():
            return probe()

    raise WaitForChange(key, probe_in_context, seen, seconds)


def suspend(wait: WaitForChange) -> None:
    """Hand the wait over to the server. The client is not counted again in the second call."""
    poll: LongPoll = request.environ[LONG_POLL]
    poll.wait, poll.has_waited = wait, True
    if "client" in g:
        request.environ[CLIENT] = g.client
