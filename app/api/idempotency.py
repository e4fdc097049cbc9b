"""Idempotency-Key: contract §2."""

from hashlib import sha256

from flask import g, request

from app.access.idempotency import Repeatable
from app.api.auth import the_caller
from app.serialization.request_schemas import Invalid

LONGEST_KEY = 255


def repeatable() -> Repeatable | None:
    """This request as one that may come again, if its caller gave it a key; its body has been read. Raises Invalid."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        problem = f"Must be 1 to {LONGEST_KEY} printable ASCII characters."
        raise Invalid(iter([("Idempotency-Key", problem)]), "the headers")
    # Not the query, nor a header: a job that starts anew with its file may well ask for another `as_of`.
    asked = f"{request.method} {request.path} {g.body_digest}"
    return Repeatable(the_caller().id, key, sha256(asked.encode()).hexdigest())
