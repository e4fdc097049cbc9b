"""What the API answers, declared once with marshmallow, for its description of itself.

The views put their answers together by hand, since a large one would take many times as long through a schema. That
every answer is as declared here is what tests/api/test_generated_requests.py holds.
"""

from typing import Any

from marshmallow import Schema, fields

from app.core.models.customers import PROFILE_FIELD_NAMES

SEGMENTS = "In their order and spelling, equal pairs kept."


def text(told: str = "", **more: Any) -> fields.String:
    return fields.String(required=True, metadata={"description": told} if told else {}, **more)


def number(told: str) -> fields.Integer:
    return fields.Integer(required=True, metadata={"description": told, "minimum": 0})


def texts(told: str) -> fields.Field[Any]:
    return fields.List(fields.String(), required=True, metadata={"description": told})


def many(schema: type[Schema], told: str = "") -> fields.Field[Any]:
    return fields.List(fields.Nested(schema), required=True, metadata={"description": told} if told else {})


def moment(told: str, **more: Any) -> fields.DateTime:
    return fields.DateTime(required=True, metadata={"description": told}, **more)


def following() -> fields.String:
    return text("The cursor of the following page; null after the last.", allow_none=True)


class Segment(Schema):
    type = text()
    value = text()


class Report(Schema):
    """What became of each customer sent."""

    changed = number("Who hold what was sent, and did not before.")
    unchanged = number("Who held it already.")
    notFound = texts("Ids that no customer has.")  # noqa: N815 - as the contract spells it
    duplicates = texts("Ids that were sent more than once; the first entry counted.")
    stale = texts("Who were changed after `as_of`, and were left alone.")
    changeSet = text("The change set that was made, if one was.", allow_none=True)  # noqa: N815


class Updated(Schema):
    updatedCustomers = texts("Who were found, and hold what was sent; each once, in the order sent.")  # noqa: N815
    report = fields.Nested(Report, metadata={"description": "With `report` or `dry_run`."})


class CustomersSegments(Schema):
    segments = many(Segment, SEGMENTS)


class CountedSegment(Segment):
    customers = number("How many customers hold it.")


class Catalogue(Schema):
    segments = many(CountedSegment)
    next = following()


class FoundCustomer(Schema):
    class Meta:
        include = {name: text(allow_none=True) for name in PROFILE_FIELD_NAMES}  # noqa: RUF012 - as marshmallow has it

    document_id = text()
    segments = many(Segment, SEGMENTS)
    changedAt = moment("Since when she holds them; null if they never changed.", allow_none=True)  # noqa: N815


class Customers(Schema):
    customers = many(FoundCustomer)
    next = following()


class Saved(Schema):
    created = number("Who are new.")
    updated = number("About whom something else was known.")
    unchanged = number("About whom all of it was known.")


class Change(Schema):
    id = text("Of this change; no other has the same.")
    at = moment("When.")
    actor = text("Who.")
    source = text("By what means: `api`, `page` or `command`.")
    changeSet = text("With what else.")  # noqa: N815
    document_id = text("Whose segments.")
    before = many(Segment, SEGMENTS)
    after = many(Segment, SEGMENTS)


class Changes(Schema):
    changes = many(Change, "Oldest first.")
    next = text("Where to go on, also after the newest change.")


class ChangeSet(Schema):
    id = text()
    at = moment("When.")
    actor = text("Who.")
    source = text("By what means: `api`, `page` or `command`.")
    note = text("What the file was, or what was said about it.", allow_none=True)
    reverts = text("The change set that it undid.", allow_none=True)
    changed = number("Customers whose segments are others.")
    unchanged = number("Customers who held already what was wanted.")
    created = number("Customers who are new.")
    updated = number("Customers of whom a name, an e-mail, a phone or the document_id is another.")


class Reverted(Schema):
    changed = number("Who were put back: their segments, or the facts about them.")
    unchanged = number("Who were so already.")
    conflicts = texts("Who hold something else by now, and were left alone.")
    changeSet = text("The change set that the undo made; null if nothing was changed.", allow_none=True)  # noqa: N815


class Specification(Schema):
    openapi = text()
    info = fields.Dict(required=True)
    paths = fields.Dict(required=True)
    components = fields.Dict(required=True)


class Detail(Schema):
    path = text("Where: `customers[3].segments[0].type`, or a parameter's name.")
    message = text()


class Problem(Schema):
    code = text("Which refusal it is: for programs.")
    message = text("What was wrong: for people.")
    details = many(Detail, "Every problem of a VALIDATION_ERROR, 100 at most.")


class Error(Schema):
    error = fields.Nested(Problem, required=True)
    report = fields.Nested(Report, metadata={"description": "With CHANGE_TOO_LARGE: what would have been."})
