"""What is accepted from outside, declared once with marshmallow: bodies of the API and rows of files alike."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any, TypeVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing, validate

from app.core.changes.segment_updates import SegmentPatch
from app.core.errors import DomainError
from app.core.models.customers import PROFILE_FIELDS, is_storable
from app.core.models.segments import Segments

MAX_DETAILS = 100
MAX_COUNTED = 10_000
"""Problems counted one by one; a body made to have millions of them must not keep a worker busy."""

T = TypeVar("T")

InputError = tuple[str, str]
"""Where and what: `("customers[3].segments[0].type", "Missing data for required field.")`."""


class InvalidInput(DomainError):
    """What was sent has the wrong shape. `details` are its first problems, `total` how many there are."""

    def __init__(self, problems: Iterator[InputError], where: str = "the request body") -> None:
        self.details: list[InputError] = []
        self.total = 0
        for self.total, problem in enumerate(problems, start=1):
            if self.total <= MAX_DETAILS:
                self.details.append(problem)
            if self.total > MAX_COUNTED:
                break
        total = f"More than {MAX_COUNTED}" if self.total > MAX_COUNTED else self.total
        super().__init__(f"{total} problem{'' if self.total == 1 else 's'} in {where}.")


class Text(fields.String):
    """Text that a database can hold."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow has it
        "unstorable": "U+0000 and lone surrogates cannot be stored.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"pattern": r"^[^\u0000]*$"}, **kwargs)  # as far as a pattern can tell

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        if not is_storable(text):
            raise self.make_error("unstorable")
        return text


class _PassThrough(Schema):
    class Meta:
        unknown = EXCLUDE


class SegmentPairSchema(_PassThrough):
    type = Text(required=True)
    value = Text(required=True)


class SegmentsReplacementSchema(_PassThrough):
    """The segments wanted for one customer; `null` and `[]` both clear."""

    document_id = Text(required=True)
    segments = fields.List(fields.Nested(SegmentPairSchema), required=True, allow_none=True)


class ReplaceSegmentsSchema(_PassThrough):
    customers = fields.List(fields.Nested(SegmentsReplacementSchema), required=True, validate=validate.Length(min=1))


class CustomerPatchSchema(_PassThrough):
    """Segments to add to one customer's, and to remove from them; what is left out, or `null`, is none."""

    document_id = Text(required=True)
    add = fields.List(fields.Nested(SegmentPairSchema), allow_none=True)
    remove = fields.List(fields.Nested(SegmentPairSchema), allow_none=True)


class PatchSegmentsSchema(_PassThrough):
    customers = fields.List(fields.Nested(CustomerPatchSchema), required=True, validate=validate.Length(min=1))


MAX_LENGTHS = {"document_id": 512, "name": 1000, "email": 512, "phone": 100}
"""Characters. An index entry of PostgreSQL holds some 2,700 bytes, and a character takes up to four."""


class ProfileSchema(_PassThrough):
    """A customer to create or update: an absent fact stays as it is, `null` empties it."""

    document_id = Text(required=True, validate=validate.Length(min=1, max=MAX_LENGTHS["document_id"]))
    name = Text(allow_none=True, validate=validate.Length(max=MAX_LENGTHS["name"]))
    email = Text(allow_none=True, validate=validate.Length(max=MAX_LENGTHS["email"]))
    phone = Text(allow_none=True, validate=validate.Length(max=MAX_LENGTHS["phone"]))


class UpsertCustomersSchema(_PassThrough):
    customers = fields.List(fields.Nested(ProfileSchema), required=True, validate=validate.Length(min=1))


class CustomerRowSchema(ProfileSchema):
    """A customer in a file, who may bring her segments."""

    segments = fields.List(fields.Nested(SegmentPairSchema), allow_none=True)


def iter_errors(schema: Schema, sent: Any, path: str = "") -> Iterator[InputError]:
    """Every way in which `sent` departs from `schema`, one at a time.

    It reads the same declarations as `schema.load`, which would hold every error of a large body at once, and takes
    fourteen times as long as parsing to find that there is none.
    """
    if not isinstance(sent, dict):
        yield path, schema.error_messages["type"]
        return
    for name, field in schema.fields.items():
        here = f"{path}.{name}" if path else name
        value = sent.get(name, missing)
        try:
            if isinstance(field, fields.List) and isinstance(value, list):
                for check in field.validators:
                    check(value)
                nested = field.inner.schema  # type: ignore[attr-defined]
                for index, element in enumerate(value):
                    yield from iter_errors(nested, element, f"{here}[{index}]")
            else:
                field.deserialize(value)
        except ValidationError as error:
            for message in error.messages:
                yield here, str(message)


_replace, _merge, _save, _line = (
    schema() for schema in (ReplaceSegmentsSchema, PatchSegmentsSchema, UpsertCustomersSchema, CustomerRowSchema)
)


def parse_replacements(body: Any) -> tuple[dict[str, Segments], list[str]]:
    """The segments wanted, `{document_id: segments}`, and the document_ids that were repeated.

    The first occurrence of a document_id wins: contract §1. Raises Invalid.
    """
    return _read(body, _replace, lambda row: _segments(row["segments"]))


def parse_patches(body: Any) -> tuple[dict[str, SegmentPatch], list[str]]:
    """What to add and remove, `{document_id: Merge}`, and the document_ids that were repeated. Raises Invalid."""
    return _read(body, _merge, lambda row: SegmentPatch(_segments(row.get("add")), _segments(row.get("remove"))))


def _read(body: Any, schema: Schema, wanted: Callable[[Any], T]) -> tuple[dict[str, T], list[str]]:
    try:
        if body["customers"]:
            return _first_of_each(body["customers"], wanted)
    except (LookupError, TypeError, AttributeError, _Malformed):
        pass
    raise InvalidInput(iter_errors(schema, body))


def parse_customers(body: Any) -> list[dict[str, Any]]:
    """Customers to create or update, the first of each document_id. Raises Invalid."""
    _check(iter_errors(_save, body), "the request body")
    customers: dict[str, dict[str, Any]] = {}
    for row in body["customers"]:
        customers.setdefault(row["document_id"], {name: row[name] for name in PROFILE_FIELDS if name in row})
    return [{"document_id": document_id, **facts} for document_id, facts in customers.items()]


def _check(found: Iterator[InputError], where: str) -> None:
    first = next(found, None)
    if first:
        raise InvalidInput(chain([first], found), where)


def parse_profile(row: Any) -> dict[str, Any]:
    """A customer in a file, with her segments if the file has them. Raises Invalid."""
    try:
        return _profile(row)
    except (LookupError, TypeError, AttributeError, _Malformed):
        raise InvalidInput(iter_errors(_line, row), "the line") from None


def _profile(row: Any) -> dict[str, Any]:
    """The tight loop behind the declaration: right for a well-formed row, and an exception for any other."""
    facts = {}
    for name, longest in MAX_LENGTHS.items():
        if name in row:
            value = facts[name] = row[name]
            if value is None and name != "document_id":
                continue
            if type(value) is not str or len(value) > longest or not is_storable(value):
                raise _Malformed
    if not facts["document_id"]:
        raise _Malformed
    if "segments" in row:
        facts["segments"] = _segments(row["segments"])
        if not is_storable("".join([one["type"] + one["value"] for one in facts["segments"]])):
            raise _Malformed
    return facts


RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)
"""What Python reads beside these (weeks, no seconds, anything at all between date and time) was hardly meant."""


def parse_timestamp(text: str) -> datetime:
    """An RFC 3339 time, with its offset from UTC. Raises ValueError."""
    if not RFC_3339.fullmatch(text):
        raise ValueError("not an RFC 3339 time")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError("before the year 1 or after 9999 in UTC") from None


class _Malformed(Exception):
    """Not as declared; the declarations tell what is wrong."""


def _first_of_each(rows: list[Any], read: Callable[[Any], T]) -> tuple[dict[str, T], list[str]]:
    """The tight loop behind the declarations: right for well-formed rows, and an exception for any other."""
    wanted: dict[str, T] = {}
    repeated: dict[str, None] = {}
    for row in rows:
        document_id = row["document_id"]
        if type(document_id) is not str or "\0" in document_id:
            raise _Malformed
        one = read(row)
        if wanted.setdefault(document_id, one) is not one:
            repeated[document_id] = None
    return wanted, list(repeated)


def _segments(sent: Any) -> Segments:
    """With the two keys alone in each, in the order in which SQLite compares them; copied only if need be."""
    if sent is None:
        return []
    if type(sent) is not list:
        raise _Malformed
    as_stored = True
    for segment in sent:
        type_, value = segment["type"], segment["value"]
        if type(type_) is not str or type(value) is not str or "\0" in type_ or "\0" in value:
            raise _Malformed
        as_stored = as_stored and len(segment) == 2 and next(iter(segment)) == "type"
    return sent if as_stored else [{"type": segment["type"], "value": segment["value"]} for segment in sent]
