"""Threads that run blocking functions for the greenlets of an event loop.

A few threads suffice while they compute, because they share one interpreter. When calls wait although the process
computes little, because all threads wait for the database or a lock in it, more threads are started, up to a maximum.

gevent has a thread pool, which creates a watcher of the event loop for each call. Here all calls share one.
"""

import contextvars
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import gevent
from gevent.event import AsyncResult

GROWTH_INTERVAL_S = 0.05
BUSY_SHARE = 0.7
"""Share of one processor. A process that computes more has enough threads."""

IDLE_TIMEOUT_S = 5.0


class Threads:
    """`number` threads for one event loop, and up to `maximum` while all of them are occupied."""

    def __init__(self, number: int, maximum: int) -> None:
        self._loop = gevent.get_hub().loop
        self._calls: SimpleQueue[tuple[contextvars.Context, Callable[[], Any], AsyncResult]] = SimpleQueue()
        self._number, self._maximum = number, maximum
        self._extra = 0
        self._lock = threading.Lock()
        self._growth: gevent.Greenlet | None = None
        for _ in range(number):
            threading.Thread(target=self._run, daemon=True).start()

    def submit(self, context: contextvars.Context, function: Callable[[], Any]) -> AsyncResult:
        """Call `function` in a thread, within `context`. The result is the exception it raised, or None.

        Exceptions are results: gevent would print them with their messages, which may hold customer data.
        """
        result = AsyncResult()
        self._calls.put((context, function, result))
        if self._growth is None:
            self._growth = gevent.spawn(self._grow)
        return result

    def _grow(self) -> None:
        """Start a thread in each interval in which calls waited and the process computed little."""
        while True:
            wall, cpu = time.monotonic(), time.process_time()
            gevent.sleep(GROWTH_INTERVAL_S)
            if self._calls.empty() or self._number + self._extra >= self._maximum:
                break
            if time.process_time() - cpu < BUSY_SHARE * (time.monotonic() - wall):
                with self._lock:
                    self._extra += 1
                threading.Thread(target=self._run_extra, daemon=True).start()
        self._growth = None

    def _run(self) -> None:
        while True:
            self._serve(*self._calls.get())

    def _run_extra(self) -> None:
        """Serve calls until there has been none for IDLE_TIMEOUT_S."""
        while True:
            try:
                call = self._calls.get(timeout=IDLE_TIMEOUT_S)
            except Empty:
                break
            self._serve(*call)
            del call
        with self._lock:
            self._extra -= 1

    def _serve(self, context: contextvars.Context, function: Callable[[], Any], result: AsyncResult) -> None:
        error: BaseException | None = None
        try:
            context.run(function)
        except BaseException as raised:  # the event loop raises it again
            error = raised
        self._loop.run_callback_threadsafe(result.set, error)
