"""The bodies of messages to webhooks: the same schemas write them and describe them in the OpenAPI document.

They have the shape that Standard Webhooks recommends. They name no person: neither the actor nor the note of a change
set, which may hold an e-mail, a document_id or the name of a file. The receiver reads those through the API with a
token of its own.
"""

from datetime import datetime
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from app.core.models.change_sets import CANCELLED, DONE, SOURCES
from app.core.models.segment_alerts import CONDITIONS
from app.serialization.change_set_json import format_rfc3339

CHANGE_SET, SEGMENT_ALERT, NIGHT_MISSED, TEST = "change_set", "segment.alert", "night.missed", "test"
EVENTS = (CHANGE_SET, SEGMENT_ALERT, NIGHT_MISSED)
"""A webhook can be limited to some of them; a test event is sent to any."""


Fields = dict[str, fields.Field[Any]]


class Moment(fields.DateTime):
    def _serialize(self, value: datetime | None, *_args: Any, **_kwargs: Any) -> str | None:
        return None if value is None else format_rfc3339(value)


def _timestamp(description: str, **options: Any) -> Moment:
    return Moment(required=True, metadata={"description": description}, **options)


def _string(description: str, *values: str, **options: Any) -> fields.String:
    allowed = validate.OneOf(values) if values else None
    return fields.String(required=True, metadata={"description": description}, validate=allowed, **options)


def _count(description: str) -> fields.Integer:
    return fields.Integer(required=True, validate=validate.Range(0), metadata={"description": description})


class Content(Schema):
    """A JSON object to which later versions may add properties."""

    class Meta:
        unknown = EXCLUDE


class ChangeSetTotals(Content):
    """One change set, without who made it."""

    id = _string("`GET /api/v3/change-sets/<id>` returns who made it.")
    state = _string("A change set is sent when it has ended.", DONE, CANCELLED)
    at = _timestamp("When it was made.")
    source = _string("The interface by which it was made.", *SOURCES)
    reverts = _string("The change set that it reverts; null if it reverts none.", allow_none=True)
    changed = _count("Customers whose segments changed.")
    unchanged = _count("Customers who had the new segments already.")
    created = _count("Customers who were created.")
    updated = _count("Customers whose profile changed.")


class AlertOnSize(Content):
    """An alert on the size of a segment or of a type."""

    state = _string("Whether it was raised or has cleared.", "raised", "cleared")
    type = _string("The type of the segment.")
    value = _string("The value of the segment; null for all segments of the type together.", allow_none=True)
    condition = _string("What the size must not be.", *CONDITIONS)
    threshold = _count("Customers; for `change`, percent of the size a day before.")
    customers = _count("The size when it was raised.")
    customersDayBefore = fields.Integer(  # noqa: N815 - as the contract spells it
        attribute="day_before",
        required=True,
        validate=validate.Range(0),
        metadata={"description": "The size a day before that."},
    )
    raisedAt = _timestamp("When it was raised.", attribute="raised_at")  # noqa: N815
    clearedAt = _timestamp(  # noqa: N815
        "When it cleared; null when it is raised.", attribute="cleared_at", allow_none=True
    )


class NightMissed(Content):
    """A nightly sender who has not come."""

    usuallyBy = _timestamp("When it usually has come.", attribute="usually_by")  # noqa: N815
    lastAt = _timestamp("When it came the last time.", attribute="last_at")  # noqa: N815
    lastChangeSet = _string(  # noqa: N815
        "The change set that it made then: `GET /api/v3/change-sets/<id>` returns who it is.",
        attribute="last_change_set_id",
    )


def _message(name: str, event: str, **contents: type[Schema]) -> type[Schema]:
    """Return the schema of a message whose `data` has these contents."""
    nested: Fields = {content: fields.Nested(schema, required=True) for content, schema in contents.items()}
    data = Content.from_dict(nested, name=f"{name}Data")
    members: Fields = {
        "type": _string("The event; ignore those that you do not know.", event),
        "timestamp": _timestamp("When it happened."),
        "data": fields.Nested(data, required=True),
    }
    return Content.from_dict(members, name=name)


MESSAGES = {
    CHANGE_SET: _message("ChangeSetMessage", CHANGE_SET, changeSet=ChangeSetTotals),
    SEGMENT_ALERT: _message("SegmentAlertMessage", SEGMENT_ALERT, alert=AlertOnSize),
    NIGHT_MISSED: _message("NightMissedMessage", NIGHT_MISSED, night=NightMissed),
    TEST: _message("TestMessage", TEST),
}
"""The schema of the body, by event."""


def build_message(event: str, at: datetime, **contents: Any) -> dict[str, Any]:
    """Return the body of a message about what happened at this moment."""
    body: dict[str, Any] = MESSAGES[event]().dump({"type": event, "timestamp": at, "data": contents})
    return body
