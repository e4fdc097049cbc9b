"""Sending one request until it is answered."""

import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from customer_segments.errors import ApiError

RETRIED_STATUSES = (429, 502, 503, 504)
MAX_DELAY_S = 60.0


class Transport:
    """Sends requests, and repeats those that are safe to repeat."""

    def __init__(self, http: httpx.Client, max_attempts: int) -> None:
        self.http, self.max_attempts = http, max_attempts

    def send(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        file: Path | None = None,
        retry: bool = True,
    ) -> httpx.Response:
        """Return a response below 400; `timeout` replaces that of the client, `file` is a body in place of `json`.

        Raises ApiError, or httpx.TransportError after the last attempt.
        Only `retry` requests that may arrive twice: reads, and writes with an Idempotency-Key.
        """
        query = {name: value for name, value in (params or {}).items() if value not in (None, False)}
        options: dict[str, Any] = {"params": query, "json": json, "headers": dict(headers or {})}
        if timeout is not None:
            options["timeout"] = timeout
        max_attempts = self.max_attempts if retry else 1
        for attempt in range(1, max_attempts + 1):
            delay = min(MAX_DELAY_S, 0.5 * 2**attempt) * random.uniform(0.5, 1)  # noqa: S311 - jitter
            try:
                response = self._request(method, path, options, file)
            except httpx.TransportError:
                if attempt == max_attempts:
                    raise
            else:
                if response.status_code < 400:
                    return response
                if response.status_code not in RETRIED_STATUSES or attempt == max_attempts:
                    raise ApiError.from_response(response)
                delay = _retry_after(response, delay)
            time.sleep(delay)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _request(self, method: str, path: str, options: dict[str, Any], file: Path | None) -> httpx.Response:
        if file is None:
            return self.http.request(method, path, **options)
        with file.open("rb") as content:
            return self.http.request(method, path, **{**options, "json": None}, content=content)


def _retry_after(response: httpx.Response, default: float) -> float:
    value = response.headers.get("Retry-After", "")
    return min(float(value), MAX_DELAY_S) if value.isdigit() else default
