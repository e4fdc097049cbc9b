"""The rate limit per token: RATE_LIMIT, off unless set.

Requests are counted in windows: one begins with a token's first request, the next with its first request after that
window has ended.
"""

import fcntl
import mmap
import struct
import threading
import time
from math import ceil
from typing import Any

import limits
from flask import Response, current_app, request

from app.access.api_tokens import ApiClient
from app.core.errors import RateLimited
from app.web.server_environ import HEADERS_ONLY, RATE_LIMIT_HEADERS
from app.web.shared_memory import anonymous_file


class SharedCounters:
    """Memory that a server shares with its forked workers: the end of each token's window, and the requests in it.

    It is a file without a name because the kernel releases its locks when their holder ends, even if it is killed.
    """

    SLOT = struct.Struct("dQ")
    MAX_TOKENS = 65_536
    """Beyond this number, two tokens share a window."""

    def __init__(self) -> None:
        self._file = anonymous_file(self.SLOT.size * self.MAX_TOKENS)
        self._slots = mmap.mmap(self._file, 0)
        self._thread = threading.Lock()  # the locks of the file are between processes

    def count(self, token_id: int, period: int) -> tuple[int, int]:
        """Count a request; return the number of requests in the window of `period` seconds, and seconds to its end."""
        offset = token_id % self.MAX_TOKENS * self.SLOT.size
        with self._thread:
            fcntl.lockf(self._file, fcntl.LOCK_EX, self.SLOT.size, offset)
            try:
                current = time.monotonic()
                end, requests = self.SLOT.unpack_from(self._slots, offset)
                if end <= current:
                    end, requests = current + period, 0
                self.SLOT.pack_into(self._slots, offset, end, requests + 1)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, self.SLOT.size, offset)
        return requests + 1, ceil(end - current)


counters = SharedCounters()


def format_rate(setting: str) -> str:
    """Return RATE_LIMIT in words: `600 per 5 minutes` is "600 times per 5 minutes"."""
    limit = limits.parse(setting)
    period = limit.GRANULARITY.name
    return f"{limit.amount} times per {period if limit.multiples == 1 else f'{limit.multiples} {period}s'}"


def count(client: ApiClient) -> None:
    """Count a request of this token. Raises RateLimited."""
    setting = current_app.config["RATE_LIMIT"]
    if not setting:
        return
    limit = limits.parse(setting)
    requests, seconds = counters.count(client.id, limit.get_expiry())
    headers = {
        "RateLimit-Limit": str(limit.amount),
        "RateLimit-Remaining": str(max(0, limit.amount - requests)),
        "RateLimit-Reset": str(seconds),
    }
    _all_calls()[RATE_LIMIT_HEADERS] = headers
    if requests > limit.amount:
        headers["Retry-After"] = str(seconds)
        raise RateLimited(RateLimited.example.format(rate=format_rate(setting)))


def add_headers(response: Response) -> Response:
    """Add the state of the token's window to the response."""
    response.headers.update(_all_calls().get(RATE_LIMIT_HEADERS, {}))
    return response


def _all_calls() -> dict[str, Any]:
    """Return the environment that all calls with this request share: with its headers, its body, and after a wait."""
    environ: dict[str, Any] = request.environ.get(HEADERS_ONLY, request.environ)
    return environ
