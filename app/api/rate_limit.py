"""How often one token may call: RATE_LIMIT, off unless set.

Counted in windows: one begins with a token's first call, and the next with its first call after that has ended.
"""

import fcntl
import mmap
import os
import struct
import tempfile
import threading
import time
from math import ceil

import limits
from flask import Response, current_app, g

from app.access.api_tokens import ApiClient
from app.core.errors import DomainError


class SharedCounters:
    """Memory that a server shares with the workers it forks: when the window of each token ends, and calls in it.

    It lies in a file without a name because its locks end with whoever held them, also if that is killed.
    """

    SLOT = struct.Struct("dQ")
    MAX_TOKENS = 65_536
    """Beyond, two tokens have one window."""

    def __init__(self) -> None:
        self._file, path = tempfile.mkstemp()
        os.unlink(path)
        os.truncate(self._file, self.SLOT.size * self.MAX_TOKENS)
        self._slots = mmap.mmap(self._file, 0)
        self._thread = threading.Lock()  # the file's locks are between processes

    def count(self, token_id: int, period: int) -> tuple[int, int]:
        """How many calls with this one there are in the window, of so many seconds, and seconds until it ends."""
        place = token_id % self.MAX_TOKENS * self.SLOT.size
        with self._thread:
            fcntl.lockf(self._file, fcntl.LOCK_EX, self.SLOT.size, place)
            try:
                at = time.monotonic()
                ends, calls = self.SLOT.unpack_from(self._slots, place)
                if ends <= at:
                    ends, calls = at + period, 0
                self.SLOT.pack_into(self._slots, place, ends, calls + 1)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, self.SLOT.size, place)
        return calls + 1, ceil(ends - at)


counters = SharedCounters()


class RateLimited(DomainError):
    def __init__(self, setting: str) -> None:
        super().__init__(f"The token may call {format_rate(setting)}. Nothing was changed; see Retry-After.")


def format_rate(setting: str) -> str:
    """RATE_LIMIT in words: `600 per 5 minutes` is "600 times per 5 minutes"."""
    limit = limits.parse(setting)
    period = limit.GRANULARITY.name
    return f"{limit.amount} times per {period if limit.multiples == 1 else f'{limit.multiples} {period}s'}"


def count(who: ApiClient) -> None:
    """Count a call of this token. Raises RateLimited."""
    setting = current_app.config["RATE_LIMIT"]
    if not setting:
        return
    limit = limits.parse(setting)
    calls, seconds = counters.count(who.id, limit.get_expiry())
    g.rate_limit_headers = {
        "RateLimit-Limit": str(limit.amount),
        "RateLimit-Remaining": str(max(0, limit.amount - calls)),
        "RateLimit-Reset": str(seconds),
    }
    if calls > limit.amount:
        g.rate_limit_headers["Retry-After"] = str(seconds)
        raise RateLimited(setting)


def add_headers(response: Response) -> Response:
    response.headers.update(g.pop("rate_limit_headers", {}))
    return response
