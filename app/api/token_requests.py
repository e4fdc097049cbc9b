"""Log the outcome of each request, for the page of its token."""

import time

from flask import Response, g, request

from app.access.token_request_log import CustomerCounts, LogEntry, log_buffer
from app.api.auth import current_client
from app.core.database import now

MAX_PATHS = 20


def count(counts: CustomerCounts, *, dry_run: bool = False) -> None:
    """Set the numbers of customers that this request handled."""
    g.counts, g.dry_run = counts, dry_run


def problem(code: str, paths: list[str]) -> None:
    """Set the error code of this request, and the paths of its problems."""
    g.problem = code, list(dict.fromkeys(paths))[:MAX_PATHS]


def log_request(response: Response) -> Response:
    """Log a request with a valid token: no body, no values, and no path that contains an id."""
    if "client" in g and request.url_rule:
        code, paths = g.get("problem", (None, []))
        log_buffer.add(
            LogEntry(
                token_id=current_client().id,
                at=now(),
                method=request.method,
                route=request.url_rule.rule.replace("<document_id:", "<").replace("<number:", "<"),
                status=response.status_code,
                code=code,
                paths=paths,
                milliseconds=round((time.perf_counter() - g.started) * 1000),
                dry_run=g.get("dry_run", False),
                used_previous_secret=current_client().used_previous_secret,
                counts=g.get("counts") or CustomerCounts(),
            )
        )
    return response
