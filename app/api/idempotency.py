"""Idempotency-Key: contract §2."""

from hashlib import sha256

from flask import g, request

from app.access.idempotency import IdempotentRequest
from app.api.auth import current_client
from app.core.errors import InvalidInput
from app.core.limits import MAX_IDEMPOTENCY_KEY_LENGTH


def idempotent_request() -> IdempotentRequest | None:
    """This request as one that may come again, if its caller gave it a key; its body has been read. Raises Invalid."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (0 < len(key) <= MAX_IDEMPOTENCY_KEY_LENGTH and key.isascii() and key.isprintable()):
        problem = f"Must be 1 to {MAX_IDEMPOTENCY_KEY_LENGTH} printable ASCII characters."
        raise InvalidInput(iter([("Idempotency-Key", problem)]), "the headers")
    # Not the query, nor a header: a job that starts anew with its file may well ask for another `as_of`.
    asked = f"{request.method} {request.path} {g.body_digest}"
    return IdempotentRequest(current_client().id, key, sha256(asked.encode()).hexdigest())
