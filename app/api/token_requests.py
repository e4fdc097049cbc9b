"""What became of each request, for the page of the token it came with."""

import time

from flask import Response, g, request

from app.access.token_request_log import Counts, Noted, token_requests
from app.api.auth import the_caller
from app.core.database import now

MOST_PATHS = 20


def count(counts: Counts, *, dry_run: bool = False) -> None:
    """Tell what this request did with customers."""
    g.counts, g.dry_run = counts, dry_run


def problem(code: str, paths: list[str]) -> None:
    """Tell why this request is refused, and where in it the problems are."""
    g.problem = code, list(dict.fromkeys(paths))[:MOST_PATHS]


def note(response: Response) -> Response:
    """Note a request that came with a valid token. Without a body, a value, or a path that holds an id."""
    if "caller" in g and request.url_rule:
        code, paths = g.get("problem", (None, []))
        token_requests.add(
            Noted(
                token_id=the_caller().id,
                at=now(),
                method=request.method,
                route=request.url_rule.rule.replace("<document_id:", "<").replace("<number:", "<"),
                status=response.status_code,
                code=code,
                paths=paths,
                milliseconds=round((time.perf_counter() - g.started) * 1000),
                dry_run=g.get("dry_run", False),
                old_secret=the_caller().old_secret,
                counts=g.get("counts") or Counts(),
            )
        )
    return response
