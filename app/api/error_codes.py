"""Every refusal of the API, as the documentation tells it: contract §1 and §2."""

from typing import NamedTuple


class ErrorCode(NamedTuple):
    status: int
    when: str
    example: str
    """A message as it is answered; {customers}, {bytes} and {rate} are the limits of the service."""


ERRORS = {
    "MALFORMED_JSON": ErrorCode(400, "The body is empty, no JSON, or not UTF-8.", "The body is empty."),
    "VALIDATION_ERROR": ErrorCode(
        400,
        "JSON or a parameter of the wrong shape; `details` names each problem by its path.",
        "1 problem in the query.",
    ),
    "UNAUTHENTICATED": ErrorCode(
        401,
        "No token, or one that is malformed, unknown, expired or revoked.",
        "A valid token is needed: Authorization: Bearer <token>.",
    ),
    "FORBIDDEN": ErrorCode(
        403,
        "The token lacks the scope, or may not be used from this address.",
        "The token lacks the scope segments:write.",
    ),
    "NOT_FOUND": ErrorCode(404, "There is nothing at this URL.", "There is nothing at this URL."),
    "CUSTOMER_NOT_FOUND": ErrorCode(
        404, "No customer has this document_id or e-mail.", "No customer has this document_id."
    ),
    "AMBIGUOUS_EMAIL": ErrorCode(
        409,
        "Several customers have this e-mail: ask by document_id.",
        "Several customers have this e-mail: ask by document_id.",
    ),
    "CHANGE_TOO_LARGE": ErrorCode(
        409,
        "More customers would lose all their segments than the token's guard allows. With the report.",
        "90 customers would lose all their segments: more than the guard of the token allows. Nothing was changed. "
        "To do it all the same: Guard: override.",
    ),
    "NO_LONGER_KNOWN": ErrorCode(
        410,
        "What comes after this cursor is no longer kept.",
        "Changes after this cursor are no longer kept. Read the feed from its start again.",
    ),
    "TOO_LARGE": ErrorCode(
        413,
        "More than {customers} customers, or {bytes} bytes after decompression.",
        "The body is larger than {bytes} bytes (MAX_BODY_BYTES).",
    ),
    "UNSUPPORTED_MEDIA_TYPE": ErrorCode(
        415,
        "Not application/json in UTF-8, or an unknown Content-Encoding.",
        "Send Content-Type: application/json, in UTF-8.",
    ),
    "IDEMPOTENCY_MISMATCH": ErrorCode(
        422,
        "The Idempotency-Key came with another request before.",
        "This Idempotency-Key came with another request before. Nothing was changed.",
    ),
    "RATE_LIMITED": ErrorCode(
        429,
        "The token calls too often; see Retry-After.",
        "The token may call {rate}. Nothing was changed; see Retry-After.",
    ),
    "INTERNAL": ErrorCode(
        500,
        "A fault of ours; tell us the request id.",
        "Something went wrong on our side. Request id: 5f0c3a9be1d74a30a3c0f0a6b9f1d2e7",
    ),
    "UNAVAILABLE": ErrorCode(
        503,
        "The database is away or busy; try again after Retry-After.",
        "The database is away or busy. Nothing was changed; try again in a moment.",
    ),
}

DETAILS = {"VALIDATION_ERROR": [{"path": "limit", "message": "Must be a whole number from 1 to 1000."}]}
GUARDED = {"changed": 100, "unchanged": 0, "notFound": [], "duplicates": [], "stale": [], "changeSet": None}

ANY = ("UNAUTHENTICATED", "FORBIDDEN", "RATE_LIMITED", "INTERNAL", "UNAVAILABLE")
QUERY = ("VALIDATION_ERROR", *ANY)
BODY = ("MALFORMED_JSON", *QUERY, "TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")
CHANGE = (*BODY, "CHANGE_TOO_LARGE", "IDEMPOTENCY_MISMATCH")
