"""Headers of writes: each is honoured, or refused with 400 (contract §8)."""

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from app.api.parameters import OPTIONAL
from app.core.limits import MAX_IDEMPOTENCY_KEY_LENGTH, MAX_REASON_LENGTH
from app.core.models.customers import is_storable


class HeaderSchema(Schema):
    """The headers of a write; those of EXTRA_HEADERS that it does not declare are refused."""

    error_messages = {"unknown": "This operation does not support this header."}  # noqa: RUF012

    class Meta:
        unknown = RAISE


def _printable_ascii(value: str) -> None:
    if not (0 < len(value) <= MAX_IDEMPOTENCY_KEY_LENGTH and value.isascii() and value.isprintable()):
        raise ValidationError(f"Must be 1 to {MAX_IDEMPOTENCY_KEY_LENGTH} printable ASCII characters.")


def idempotency_key() -> fields.String:
    """Return the field of the header that makes a request safe to repeat (contract §2)."""
    metadata = {
        "description": "Makes the request safe to repeat for 24 hours.",
        "minLength": 1,
        "maxLength": MAX_IDEMPOTENCY_KEY_LENGTH,
    }
    return fields.String(data_key="Idempotency-Key", **OPTIONAL, validate=_printable_ascii, metadata=metadata)


def guard_override() -> fields.String:
    """Return the field of the header that overrides the guard of the token (contract §2)."""
    metadata = {"description": "`override` allows a change that the guard of the token refuses."}
    return fields.String(data_key="Guard", **OPTIONAL, validate=validate.OneOf(["override"]), metadata=metadata)


class ChangeReason(fields.String):
    """Why the change is made, kept as the note of the change set. Headers are Latin-1 in WSGI; UTF-8 is meant."""

    def __init__(self) -> None:
        metadata = {"description": "Why: kept as the note of the change set.", "maxLength": MAX_REASON_LENGTH}
        super().__init__(data_key="Change-Reason", **OPTIONAL, metadata=metadata)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            reason = value.encode("latin-1").decode().strip()
        except UnicodeError:
            raise ValidationError("Must be text in UTF-8.") from None
        if len(reason) > MAX_REASON_LENGTH or not is_storable(reason):
            raise ValidationError(f"Must have at most {MAX_REASON_LENGTH} characters.")
        return reason or None


class RespondAsync(fields.String):
    """Whether `Prefer` asks for a job (RFC 7240); other preferences are ignored."""

    def __init__(self) -> None:
        metadata = {"description": "`respond-async`: answer 202 with a job."}
        super().__init__(data_key="Prefer", load_default=False, metadata=metadata)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return "respond-async" in (preference.strip().lower() for preference in value.replace(";", ",").split(","))


class WriteHeaders(HeaderSchema):
    change_reason = ChangeReason()


class IdempotentHeaders(WriteHeaders):
    idempotency_key = idempotency_key()


class GuardedHeaders(IdempotentHeaders):
    guard = guard_override()
