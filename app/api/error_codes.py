"""The errors that each operation of the API can answer."""

from app.access.idempotency import IdempotencyMismatch
from app.api.request_body import MalformedJson
from app.core.changes.replace_segments import ChangeTooLarge
from app.core.errors import (
    AmbiguousEmail,
    CustomerNotFound,
    DomainError,
    Forbidden,
    InternalError,
    InvalidInput,
    NoLongerRetained,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)

ERRORS: dict[str, type[DomainError]] = {
    error.code: error
    for error in (
        MalformedJson,
        InvalidInput,
        Unauthenticated,
        Forbidden,
        NotFound,
        CustomerNotFound,
        AmbiguousEmail,
        ChangeTooLarge,
        NoLongerRetained,
        TooLarge,
        UnsupportedMediaType,
        IdempotencyMismatch,
        RateLimited,
        InternalError,
        Unavailable,
    )
}

DETAILS = {"VALIDATION_ERROR": [{"path": "limit", "message": "Must be a whole number from 1 to 1000."}]}
GUARDED = {"changed": 100, "unchanged": 0, "notFound": [], "duplicates": [], "stale": [], "changeSet": None}

ANY = ("UNAUTHENTICATED", "FORBIDDEN", "RATE_LIMITED", "INTERNAL", "UNAVAILABLE")
QUERY = ("VALIDATION_ERROR", *ANY)
BODY = ("MALFORMED_JSON", *QUERY, "TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")
CHANGE = (*BODY, "CHANGE_TOO_LARGE", "IDEMPOTENCY_MISMATCH")
