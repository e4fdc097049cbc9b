"""Schemas of responses that several operations share, and of the error envelope.

Views build their responses by hand, because a large one takes many times as long through a schema.
tests/api/test_generated_requests.py checks that every response is as declared.
"""

from typing import Any

from marshmallow import EXCLUDE, Schema, fields

SEGMENTS = "In their order and spelling, equal pairs kept."


class ResponseSchema(Schema):
    """A JSON object to which later versions may add properties."""

    class Meta:
        unknown = EXCLUDE


def string(description: str = "", **options: Any) -> fields.String:
    return fields.String(required=True, metadata={"description": description} if description else {}, **options)


def enum(description: str, *values: str) -> fields.String:
    return fields.String(required=True, metadata={"description": description, "enum": list(values)})


def count(description: str) -> fields.Integer:
    return fields.Integer(required=True, metadata={"description": description, "minimum": 0})


def strings(description: str) -> fields.Field[Any]:
    return fields.List(fields.String(), required=True, metadata={"description": description})


def array_of(schema: type[Schema], description: str = "") -> fields.Field[Any]:
    metadata = {"description": description} if description else {}
    return fields.List(fields.Nested(schema), required=True, metadata=metadata)


def timestamp(description: str, **options: Any) -> fields.DateTime:
    return fields.DateTime(required=True, metadata={"description": description}, **options)


def next_cursor() -> fields.String:
    return string("The cursor of the next page; null after the last one.", allow_none=True)


def change_set_id() -> fields.String:
    return string("The change set of the change; null if nothing changed.", allow_none=True)


class Segment(ResponseSchema):
    type = string()
    value = string()


def guard_warning() -> fields.String:
    """Return the field for what the guard of the token warns of; missing if it does not."""
    return fields.String(metadata={"description": "What the guard of the token warns of."})


class Report(ResponseSchema):
    """What happened to the customers of the request."""

    changed = count("Customers whose segments changed.")
    unchanged = count("Customers who had the new segments already.")
    notFound = strings("Ids that no customer has.")  # noqa: N815 - as the contract spells it
    duplicates = strings("Ids that were sent more than once; the first entry counted.")
    stale = strings("Customers who changed after `as_of`, and were left alone.")
    changeSet = change_set_id()  # noqa: N815
    warning = guard_warning()


class RefusedReport(ResponseSchema):
    """What a refused change would have done; which members it has depends on the operation."""

    changed = fields.Integer(metadata={"description": "Customers who would change.", "minimum": 0})
    unchanged = fields.Integer(metadata={"description": "Customers who would not change.", "minimum": 0})
    added = fields.Integer(metadata={"description": "Customers who would gain the segment.", "minimum": 0})
    removed = fields.Integer(metadata={"description": "Customers who would lose the segment.", "minimum": 0})
    notFound = fields.List(fields.String(), metadata={"description": "Ids that no customer has."})  # noqa: N815
    duplicates = fields.List(fields.String(), metadata={"description": "Ids that were sent more than once."})
    stale = fields.List(fields.String(), metadata={"description": "Customers who changed after `as_of`."})
    conflicts = fields.List(fields.String(), metadata={"description": "Customers who changed since."})
    changeSet = fields.String(allow_none=True, metadata={"description": "Always null."})  # noqa: N815
    warning = guard_warning()


class Problem(ResponseSchema):
    path = string("Where: `customers[3].segments[0].type`, or the name of a parameter.")
    message = string()


class ErrorBody(ResponseSchema):
    code = string("Which error it is, for programs.")
    message = string("What was wrong, for people.")
    details = array_of(Problem, "Every problem of a VALIDATION_ERROR, at most 100.")


class Error(ResponseSchema):
    error = fields.Nested(ErrorBody, required=True)
    report = fields.Nested(RefusedReport, metadata={"description": "With CHANGE_TOO_LARGE: what would have happened."})
