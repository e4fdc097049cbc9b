"""Running a write of the API: once for each Idempotency-Key, and rolled back for a dry run (contract §2)."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from flask import Response, g, request
from flask.json import dumps
from sqlalchemy.orm import Session

from app.access.idempotency import IdempotentRequest, StoredResponse, run_once
from app.api.auth import current_client
from app.core.database import run_in_transaction


def run_write(
    work: Callable[[Session], StoredResponse], headers: Mapping[str, Any], *, dry_run: bool = False
) -> Response:
    """Run `work` in one transaction, and return its response; or the stored one, if the request is a repetition.

    The body of the request has been read by now. Raises IdempotencyMismatch, Unavailable, and what `work` raises.
    """
    key = headers["idempotency_key"]
    if dry_run or key is None:
        stored = run_in_transaction(work, commit=not dry_run)
    else:
        stored = run_once(IdempotentRequest(current_client().id, key, _request_digest()), work)
    return _respond(stored)


def _request_digest() -> str:
    """Identify the request by method, path, query and body (contract §8)."""
    query = sorted(request.args.items(multi=True))
    identity = [request.method, request.path, query, g.get("body_digest", "")]
    return sha256(dumps(identity).encode()).hexdigest()


def _respond(stored: StoredResponse) -> Response:
    response = Response(stored.text, mimetype="application/json")
    if stored.change_set_id is not None:
        response.headers["Change-Set"] = str(stored.change_set_id)
    if stored.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
