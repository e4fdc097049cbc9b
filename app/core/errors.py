"""Domain errors: one class per kind, with its HTTP status, its code and its texts.

`app.errors` turns each of them into the envelope of the API or into a page. A class states what it
does not inherit from the class of its status.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from app.core.limits import MAX_COUNTED_ERRORS, MAX_DOCUMENT_ID_LENGTH, MAX_ERROR_DETAILS

InputError = tuple[str, str]
"""Path and message: `("customers[3].segments[0].type", "Missing data for required field.")`."""


class DomainError(Exception):
    """A request that is refused. It changed nothing, and its message may be shown to the user."""

    status: ClassVar[int]
    code: ClassVar[str]
    """What a program distinguishes errors by (contract §1)."""
    explanation: ClassVar[str]
    """When the error occurs; `{customers}`, `{bytes}` and `{rate}` stand for the limits of the service."""
    example: ClassVar[str] = ""
    """A message of this error for the documentation; the explanation if empty."""
    title: ClassVar[str] = "Something went wrong"
    advice: ClassVar[str] = ""
    """Heading and advice of the page that shows the error."""
    headers: ClassVar[Mapping[str, str]] = {}
    counted: ClassVar[bool] = True
    """Whether the overview counts the error among the refused requests."""
    details: Sequence[InputError] = ()
    extra: Mapping[str, Any] = {}
    """Members of the API's answer beside `error`."""


# One class per HTTP status: the direct subclasses


class BadRequest(DomainError):
    status = 400
    code = "BAD_REQUEST"
    explanation = "The request is not valid HTTP."
    title = "Invalid request"
    advice = "Go back and try again."


class Unauthenticated(DomainError):
    status = 401
    code = "UNAUTHENTICATED"
    explanation = "The request has no token, or the token is malformed, unknown, expired or revoked."
    example = "A valid token is needed: Authorization: Bearer <token>."
    title = "Sign in first"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class Forbidden(DomainError):
    status = 403
    code = "FORBIDDEN"
    explanation = "The token lacks the scope, is limited to other segment types, or may not be used from this address."
    example = "The token lacks the scope segments:write."
    title = "You don't have permission"
    advice = "Ask an admin if you need to do this."


class NotFound(DomainError):
    status = 404
    code = "NOT_FOUND"
    explanation = "There is nothing at this URL."
    title = "Page not found"
    advice = "Check the address or search for a customer."


class MethodNotAllowed(DomainError):
    status = 405
    code = "METHOD_NOT_ALLOWED"
    explanation = "This URL does not support the method; the header Allow names the methods that it supports."
    title = "Action not allowed"


class Conflict(DomainError):
    status = 409
    code = "CONFLICT"
    explanation = "The current state does not allow this."
    title = "This was changed by someone else"
    advice = "Reload and try again."


class NoLongerRetained(DomainError):
    status = 410
    code = "NO_LONGER_KNOWN"
    explanation = "What comes after this cursor is no longer kept."
    example = "Changes after this cursor are no longer kept. Read the feed from its start again."
    title = "No longer available"


class TooLarge(DomainError):
    status = 413
    code = "TOO_LARGE"
    explanation = "More than {customers} customers, or {bytes} bytes after decompression."
    example = "The body is larger than {bytes} bytes (MAX_BODY_BYTES)."
    title = "File too large"
    advice = "Split the file or use the command line."


class UnsupportedMediaType(DomainError):
    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    explanation = "The body is not application/json in UTF-8, or has an unknown Content-Encoding."
    example = "Send Content-Type: application/json, in UTF-8."


class RateLimited(DomainError):
    status = 429
    code = "RATE_LIMITED"
    explanation = "The token sends too many requests; see Retry-After."
    example = "The token may call {rate}. Nothing was changed; see Retry-After."
    title = "Too many attempts"
    advice = "Try again in a few minutes."


class InternalError(DomainError):
    status = 500
    code = "INTERNAL"
    explanation = "The service failed; report the request id to its operator."
    example = "Something went wrong on our side. Request id: 5f0c3a9be1d74a30a3c0f0a6b9f1d2e7"
    title = "Something went wrong"
    advice = "If it keeps happening, send this request ID to your administrator."


class Unavailable(DomainError):
    """The database does not answer, or is busy past its timeout. The same request may succeed later."""

    status = 503
    code = "UNAVAILABLE"
    explanation = "The database is away or busy; repeat the request after Retry-After."
    example = "The database is away or busy. Nothing was changed; try again in a moment."
    title = "Temporarily unavailable"
    advice = "Try again in a moment."
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}
    counted = False  # counting writes to the database

    def __init__(self) -> None:
        super().__init__(self.example)


class UnsupportedDatabase(Unavailable):
    code = "UNAVAILABLE"
    explanation = "The database cannot hold the data; the message says what to do."

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)


def error_of_status(status: int) -> type[DomainError]:
    """Return the class that stands for an HTTP error of the framework."""
    of_status = (error for error in DomainError.__subclasses__() if error.status == status)
    return next(of_status, InternalError if status >= 500 else BadRequest)


# Errors of the core


class InvalidInput(BadRequest):
    """Input of the wrong shape. `details` are its first problems, `total` is how many there are."""

    code = "VALIDATION_ERROR"
    explanation = "JSON or a parameter of the wrong shape; `details` names each problem by its path."
    example = "1 problem in the query."

    def __init__(self, errors: Iterable[InputError], source: str = "the request body") -> None:
        details: list[InputError] = []
        self.total = 0
        for self.total, error in enumerate(errors, start=1):
            if self.total <= MAX_ERROR_DETAILS:
                details.append(error)
            if self.total > MAX_COUNTED_ERRORS:
                break
        self.details = details
        total = f"More than {MAX_COUNTED_ERRORS}" if self.total > MAX_COUNTED_ERRORS else self.total
        super().__init__(f"{total} problem{'' if self.total == 1 else 's'} in {source}.")


class InvalidDocumentId(BadRequest):
    code = "VALIDATION_ERROR"
    explanation = f"A document_id has 1 to {MAX_DOCUMENT_ID_LENGTH} characters."

    def __init__(self) -> None:
        super().__init__(self.explanation)
        self.details = [("document_id", self.explanation)]


class CustomerNotFound(NotFound):
    code = "CUSTOMER_NOT_FOUND"
    explanation = "No customer has this document_id or e-mail."
    example = "No customer has this document_id."
    counted = False  # an answer like any other


class AmbiguousEmail(Conflict):
    code = "AMBIGUOUS_EMAIL"
    explanation = "Several customers have this e-mail: ask by document_id."


class DuplicateName(Conflict):
    code = "DUPLICATE_NAME"
    explanation = "The name is taken already."


class CustomerExists(DuplicateName):
    code = "CUSTOMER_EXISTS"
    explanation = "Another customer has the new document_id."


class NotEnded(Conflict):
    code = "CHANGE_SET_NOT_ENDED"
    explanation = "The change set is still being applied."
    example = "Change set 42 is being applied. It can be reverted once it has ended."


class DatabaseNotEmpty(Conflict):
    code = "DATABASE_NOT_EMPTY"
    explanation = "Only an empty database can be filled with the demo."
