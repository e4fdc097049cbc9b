"""The log of requests that the page of a token shows."""

import re
import time

from flask import Response, g, request

from app.access.token_request_log import CustomerCounts, LogEntry, log_buffer
from app.api.auth import current_client
from app.core.database import now
from app.core.limits import MAX_LOGGED_PATHS


def note_counts(counts: CustomerCounts, *, dry_run: bool = False) -> None:
    """Note what this request did with customers."""
    g.counts, g.dry_run = counts, dry_run


def note_error(code: str, paths: list[str]) -> None:
    """Note why this request is refused, and where in it the problems are."""
    g.error = code, list(dict.fromkeys(paths))[:MAX_LOGGED_PATHS]


def note_guard(outcome: str) -> None:
    """Note that the guard of the token warned (`warn`), or that it holds the change (`hold`)."""
    g.guard = outcome


def log_request(response: Response) -> Response:
    """Log a request with a valid token: never its body, a value, or a path that contains a document_id."""
    if "client" in g and request.url_rule:
        code, paths = g.get("error", (None, []))
        log_buffer.add(
            LogEntry(
                token_id=current_client().id,
                at=now(),
                method=request.method,
                route=re.sub(r"<\w+:", "<", request.url_rule.rule),
                status=response.status_code,
                code=code,
                paths=paths,
                milliseconds=round((time.perf_counter() - g.started) * 1000),
                dry_run=g.get("dry_run", False),
                used_previous_secret=current_client().used_previous_secret,
                counts=g.get("counts") or CustomerCounts(),
                request_id=g.request_id,
                guard=g.get("guard"),
            )
        )
    return response
