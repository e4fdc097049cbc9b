"""How often one token may call: RATE_LIMIT, off unless set.

Counted in the memory of each worker process, so the limit holds per worker.
"""

import time

import limits
from flask import Response, current_app, g

from app.core.errors import Refusal
from app.core.tokens import Caller

_counter = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())


class RateLimited(Refusal):
    def __init__(self, setting: str) -> None:
        super().__init__(f"The token may call {rate_text(setting)}. Nothing was changed; see Retry-After.")


def rate_text(setting: str) -> str:
    """RATE_LIMIT in words: `600 per 5 minutes` is "600 times per 5 minutes"."""
    limit = limits.parse(setting)
    period = limit.GRANULARITY.name
    return f"{limit.amount} times per {period if limit.multiples == 1 else f'{limit.multiples} {period}s'}"


def count(who: Caller) -> None:
    """Count a call of this token. Raises RateLimited."""
    setting = current_app.config["RATE_LIMIT"]
    if not setting:
        return
    limit = limits.parse(setting)
    allowed = _counter.hit(limit, who.name)
    window = _counter.get_window_stats(limit, who.name)
    g.rate_limit_headers = {
        "RateLimit-Limit": str(limit.amount),
        "RateLimit-Remaining": str(window.remaining),
        "RateLimit-Reset": str(max(1, round(window.reset_time - time.time()))),
    }
    if not allowed:
        g.rate_limit_headers["Retry-After"] = g.rate_limit_headers["RateLimit-Reset"]
        raise RateLimited(setting)


def tell(response: Response) -> Response:
    response.headers.update(g.pop("rate_limit_headers", {}))
    return response
