"""Requests that wait for a change, each as a greenlet without a thread."""

import time
from collections.abc import Callable, Hashable

import gevent

from app.server.application import Application, ClientDisconnected
from app.web.long_polling import WaitForChange
from app.web.metrics import FEED_WAITS

PROBE_INTERVAL_S = 0.25


class WaitingRequests:
    """The requests of a worker that wait. Those for the same value share its computation."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._values: dict[Hashable, tuple[float, object]] = {}

    def wait(self, wait: WaitForChange, is_disconnected: Callable[[], bool], is_stopping: Callable[[], bool]) -> None:
        """Return when the value has changed, the time is over, or the worker stops. Raises ClientDisconnected."""
        with FEED_WAITS.track_inprogress():
            self._wait(wait, is_disconnected, is_stopping)

    def _wait(self, wait: WaitForChange, is_disconnected: Callable[[], bool], is_stopping: Callable[[], bool]) -> None:
        while (remaining := wait.deadline - time.monotonic()) > 0 and not is_stopping():
            gevent.sleep(min(PROBE_INTERVAL_S, remaining))  # first, so that a shared value is not older than the wait
            if self._value(wait) != wait.seen:
                return
            if is_disconnected():
                raise ClientDisconnected

    def _value(self, wait: WaitForChange) -> object:
        computed_at, value = self._values.get(wait.key, (0.0, wait.seen))
        if time.monotonic() - computed_at < PROBE_INTERVAL_S:
            return value
        self._values[wait.key] = time.monotonic(), value  # for the others, while it is computed
        try:
            value = self._application.run(wait.probe)
        except Exception:  # without the database nothing changes; the view reports it in the end
            return value
        self._values[wait.key] = time.monotonic(), value
        return value
