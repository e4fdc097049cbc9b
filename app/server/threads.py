"""Threads that run blocking functions for the greenlets of an event loop.

gevent has a thread pool, which creates a watcher of the event loop for each call. Here all calls share one: an empty
view is answered a tenth more often per second.
"""

import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import gevent
from gevent.event import AsyncResult


class Threads:
    """A fixed number of threads, for one event loop."""

    def __init__(self, number: int) -> None:
        self._loop = gevent.get_hub().loop
        self._calls: SimpleQueue[tuple[contextvars.Context, Callable[[], Any], AsyncResult]] = SimpleQueue()
        for _ in range(number):
            threading.Thread(target=self._run, daemon=True).start()

    def submit(self, context: contextvars.Context, function: Callable[[], Any]) -> AsyncResult:
        """Call `function` in a thread, within `context`. The result is the exception it raised, or None.

        Exceptions are results: gevent would print them with their messages, which may hold data of customers.
        """
        result = AsyncResult()
        self._calls.put((context, function, result))
        return result

    def _run(self) -> None:
        while True:
            context, function, result = self._calls.get()
            error: BaseException | None = None
            try:
                context.run(function)
            except BaseException as raised:
                error = raised
            self._loop.run_callback_threadsafe(result.set, error)
            del context, function, result, error
