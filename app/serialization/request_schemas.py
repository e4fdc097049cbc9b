"""Schemas of everything that is accepted from outside: bodies of the API and rows of files.

They are declared once with marshmallow. Next to each declaration that meets many rows stands a tight loop that reads
well-formed rows only; whatever it refuses is read again by the declaration, which names every problem.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any, TypeVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing, validate

from app.core.changes.segment_updates import SegmentPatch
from app.core.errors import InputError, InvalidInput
from app.core.models.customers import MAX_LENGTHS, PROFILE_FIELD_NAMES, PROFILE_FIELDS, is_storable
from app.core.models.segments import Segments

T = TypeVar("T")


class Text(fields.String):
    """Text that the database can store."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "unstorable": "U+0000 and lone surrogates cannot be stored.",
    }

    def __init__(self, *, metadata: dict[str, Any] | None = None, **kwargs: Any) -> None:
        pattern = {"pattern": r"^[^\u0000]*$"}  # as far as a pattern can express it
        super().__init__(metadata={**pattern, **(metadata or {})}, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        if not is_storable(text):
            raise self.make_error("unstorable")
        return text


class RequestSchema(Schema):
    """A JSON object in which undeclared properties are ignored."""

    class Meta:
        unknown = EXCLUDE


class SegmentPairSchema(RequestSchema):
    type = Text(required=True)
    value = Text(required=True)


class SegmentsReplacementSchema(RequestSchema):
    """The new segments of one customer; `null` and `[]` both clear."""

    document_id = Text(required=True)
    segments = fields.List(fields.Nested(SegmentPairSchema), required=True, allow_none=True)


class ReplaceSegmentsSchema(RequestSchema):
    customers = fields.List(fields.Nested(SegmentsReplacementSchema), required=True, validate=validate.Length(min=1))


class CustomerPatchSchema(RequestSchema):
    """Segments to add to one customer and to remove from them; a missing key and `null` mean none."""

    document_id = Text(required=True)
    add = fields.List(fields.Nested(SegmentPairSchema), allow_none=True)
    remove = fields.List(fields.Nested(SegmentPairSchema), allow_none=True)


class PatchSegmentsSchema(RequestSchema):
    customers = fields.List(fields.Nested(CustomerPatchSchema), required=True, validate=validate.Length(min=1))


class ProfileSchema(RequestSchema):
    """A customer to create or update: an absent field stays as it is, `null` empties it."""

    document_id = Text(required=True, validate=validate.Length(min=1, max=MAX_LENGTHS["document_id"]))

    class Meta(RequestSchema.Meta):
        include = {  # noqa: RUF012 - as marshmallow declares it
            field.name: Text(allow_none=True, validate=validate.Length(max=field.max_length))
            for field in PROFILE_FIELDS
        }


class UpsertCustomersSchema(RequestSchema):
    customers = fields.List(fields.Nested(ProfileSchema), required=True, validate=validate.Length(min=1))


class CustomerRowSchema(ProfileSchema):
    """A customer in a file, optionally with their segments."""

    segments = fields.List(fields.Nested(SegmentPairSchema), allow_none=True)


def iter_errors(schema: Schema, payload: Any, path: str = "") -> Iterator[InputError]:
    """Yield every way in which `payload` departs from `schema`, one at a time.

    It reads the same declarations as `schema.load`, which would hold every error of a large body at once, and takes
    fourteen times as long as parsing to find that there is none.
    """
    if not isinstance(payload, dict):
        yield path, schema.error_messages["type"]
        return
    for name, field in schema.fields.items():
        field_path = f"{path}.{name}" if path else name
        value = payload.get(name, missing)
        try:
            if isinstance(field, fields.List) and isinstance(value, list):
                yield from _iter_list_errors(field, value, field_path)
            else:
                field.deserialize(value)
        except ValidationError as error:
            for message in error.messages:
                yield field_path, str(message)


def _iter_list_errors(field: fields.List[Any], elements: list[Any], path: str) -> Iterator[InputError]:
    """Yield the errors of a list; raise the first one that concerns the list as a whole."""
    for validator in field.validators:
        validator(elements)
    inner = field.inner
    for index, element in enumerate(elements):
        if isinstance(inner, fields.Nested):
            yield from iter_errors(inner.schema, element, f"{path}[{index}]")
            continue
        try:
            inner.deserialize(element)
        except ValidationError as error:
            for message in error.messages:
                yield f"{path}[{index}]", str(message)


_REPLACE, _PATCH, _UPSERT, _ROW = (
    schema() for schema in (ReplaceSegmentsSchema, PatchSegmentsSchema, UpsertCustomersSchema, CustomerRowSchema)
)


def parse_replacements(body: Any) -> tuple[dict[str, Segments], list[str]]:
    """Return the new segments, `{document_id: segments}`, and the document_ids that are repeated.

    The first occurrence of a document_id wins (contract §1). Raises InvalidInput.
    """
    return _parse_customers(body, _REPLACE, lambda row: _parse_segments(row["segments"]))


def parse_patches(body: Any) -> tuple[dict[str, SegmentPatch], list[str]]:
    """Return what to add and remove, `{document_id: SegmentPatch}`, and the repeated document_ids.

    Raises InvalidInput.
    """
    return _parse_customers(
        body, _PATCH, lambda row: SegmentPatch(_parse_segments(row.get("add")), _parse_segments(row.get("remove")))
    )


def _parse_customers(body: Any, schema: Schema, parse_row: Callable[[Any], T]) -> tuple[dict[str, T], list[str]]:
    try:
        if body["customers"]:
            return _first_of_each(body["customers"], parse_row)
    except (LookupError, TypeError, AttributeError, _Malformed):
        pass
    raise InvalidInput(iter_errors(schema, body))


def parse_customers(body: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the customers to create or update, the first of each document_id, and the repeated document_ids.

    Raises InvalidInput.
    """
    validate_body(body, _UPSERT)
    profiles, repeated = _first_of_each(
        body["customers"], lambda row: {name: row[name] for name in PROFILE_FIELD_NAMES if name in row}
    )
    return [{"document_id": document_id, **profile} for document_id, profile in profiles.items()], repeated


def validate_body(body: Any, schema: Schema, source: str = "the request body") -> None:
    """Raise InvalidInput with every problem of `body`, if it has any."""
    errors = iter_errors(schema, body)
    first = next(errors, None)
    if first:
        raise InvalidInput(chain([first], errors), source)


def parse_profile(row: Any) -> dict[str, Any]:
    """Return a customer from a file, with their segments if the file has any. Raises InvalidInput."""
    try:
        return _parse_profile(row)
    except (LookupError, TypeError, AttributeError, _Malformed):
        raise InvalidInput(iter_errors(_ROW, row), "the line") from None


def parse_segments(segments: Any) -> Segments:
    """Return the segments of a customer from a file. Raises InvalidInput."""
    try:
        return _parse_storable_segments(segments)
    except (LookupError, TypeError, AttributeError, _Malformed):
        raise InvalidInput(iter_errors(_ROW, {"document_id": "1", "segments": segments}), "the line") from None


def _parse_profile(row: Any) -> dict[str, Any]:
    """Return a well-formed row as a profile; any other row raises one of the exceptions that the caller handles."""
    profile = {}
    for name, max_length in MAX_LENGTHS.items():
        if name in row:
            value = profile[name] = row[name]
            if value is None and name != "document_id":
                continue
            if type(value) is not str or len(value) > max_length or not is_storable(value):
                raise _Malformed
    if not profile["document_id"]:
        raise _Malformed
    if "segments" in row:
        profile["segments"] = _parse_storable_segments(row["segments"])
    return profile


def _parse_storable_segments(value: Any) -> Segments:
    segments = _parse_segments(value)
    if not is_storable("".join([pair["type"] + pair["value"] for pair in segments])):
        raise _Malformed
    return segments


RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)
"""Python also reads weeks, missing seconds and any separator between date and time; such input is a mistake."""


def parse_timestamp(text: str) -> datetime:
    """Return an RFC 3339 time in UTC. Raises ValueError."""
    if not RFC_3339.fullmatch(text):
        raise ValueError("not an RFC 3339 time")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError("before the year 1 or after 9999 in UTC") from None


class _Malformed(Exception):
    """The input is not as declared; the schema tells what is wrong."""


def _first_of_each(rows: list[Any], parse_row: Callable[[Any], T]) -> tuple[dict[str, T], list[str]]:
    """Return the first row of each document_id, and the document_ids that are repeated.

    Right for well-formed rows; any other row raises one of the exceptions that the caller handles.
    """
    parsed_rows: dict[str, T] = {}
    repeated: dict[str, None] = {}
    for row in rows:
        document_id = row["document_id"]
        if type(document_id) is not str or "\0" in document_id:
            raise _Malformed
        parsed = parse_row(row)
        if parsed_rows.setdefault(document_id, parsed) is not parsed:
            repeated[document_id] = None
    return parsed_rows, list(repeated)


def _parse_segments(segments: Any) -> Segments:
    """Return segments with their two keys alone, in the order in which SQLite compares them; a copy only if needed."""
    if segments is None:
        return []
    if type(segments) is not list:
        raise _Malformed
    as_stored = True
    for segment in segments:
        type_, value = segment["type"], segment["value"]
        if type(type_) is not str or type(value) is not str or "\0" in type_ or "\0" in value:
            raise _Malformed
        as_stored = as_stored and len(segment) == 2 and next(iter(segment)) == "type"
    return segments if as_stored else [{"type": segment["type"], "value": segment["value"]} for segment in segments]
