"""Alerts on the sizes of segments and types: listed and set by programs."""

from collections.abc import Iterable
from typing import Any

from flask import Response, jsonify
from marshmallow import fields, validate

from app.api import blueprint
from app.api.api_blueprint import Body, Success
from app.api.errors import BODY_ERRORS
from app.api.examples import AT
from app.api.parameters import QuerySchema
from app.api.request_body import json_body
from app.api.schemas import ResponseSchema, array_of, count, enum, string, timestamp
from app.api.segment_types import changed_segment
from app.api.write_headers import HeaderSchema
from app.core.changes.type_limits import TypeForbidden
from app.core.models.segment_alerts import CONDITIONS, THRESHOLDS, Condition, SegmentAlert, Watched, list_alerts
from app.serialization.change_set_json import format_rfc3339
from app.serialization.request_schemas import RequestSchema, Text, validate_body
from app.webhooks.segment_alerts import change_alerts

URL = "/v3/alerts"


class AlertResponse(ResponseSchema):
    type = string()
    value = string("`null` for all segments of the type together.", allow_none=True)
    condition = enum("What the size must not be.", *CONDITIONS)
    threshold = count("Customers; for `change`, percent of the size a day ago.")
    raisedAt = timestamp("Since when it is raised; `null` while it is not.", allow_none=True)  # noqa: N815


class AlertsResponse(ResponseSchema):
    alerts = array_of(AlertResponse, "By type, value and condition.")


ALERT = {"type": "membership", "value": "GOLD", "condition": "below", "threshold": 1000, "raisedAt": AT}


def _threshold(condition: Condition, description: str) -> fields.Integer:
    metadata = {"description": f"{description} Missing and `null` mean no alert."}
    in_range = validate.Range(*THRESHOLDS[condition])
    return fields.Integer(strict=True, allow_none=True, validate=in_range, metadata=metadata)


class SetAlertsSchema(RequestSchema):
    """The alerts of one segment, or of a type without `value`; all others that it had end."""

    type = Text(required=True)
    value = Text(allow_none=True)
    below = _threshold("below", "Alert when fewer customers have it.")
    above = _threshold("above", "Alert when more customers have it.")
    change = _threshold("change", "Alert when 24 hours change it by more than so many percent.")


def _response(alerts: Iterable[SegmentAlert]) -> Response:
    return jsonify(alerts=[_alert_json(alert) for alert in alerts])


def _alert_json(alert: SegmentAlert) -> dict[str, Any]:
    return {
        **alert.watched._asdict(),
        "condition": alert.condition,
        "threshold": alert.threshold,
        "raisedAt": format_rfc3339(alert.raised.raised_at) if alert.raised else None,
    }


@blueprint.operation(
    "GET",
    URL,
    name="listAlerts",
    tag="Segments",
    scope="segments:read",
    query=QuerySchema,
    responses=(Success(AlertsResponse, "All alerts.", {"alerts": [ALERT]}),),
)
def alerts(query: dict[str, Any]) -> Response:
    """All alerts

    Conditions on the sizes of segments and of types, and which are raised.
    """
    return _response(list_alerts())


@blueprint.operation(
    "PUT",
    URL,
    name="setAlerts",
    tag="Segments",
    scope="segments:write",
    query=QuerySchema,
    headers=HeaderSchema,
    body=Body(SetAlertsSchema, {"type": "membership", "value": "GOLD", "below": 1000, "change": 20}),
    responses=(Success(AlertsResponse, "The alerts of the segment or type.", {"alerts": [ALERT]}),),
    errors=(*BODY_ERRORS, TypeForbidden),
)
def set_alerts(query: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Set the alerts of a segment or type

    It has exactly these alerts afterwards, which are checked at once; without thresholds it has none. An alert that
    stays as it is stays raised. 403 if the token is limited to other segment types.
    """
    body = json_body()
    validate_body(body, SetAlertsSchema())
    value = body.get("value")
    changed_segment(body["type"], value or "", "the request body")
    watched = Watched(body["type"], value)
    given = {condition: body.get(condition) for condition in CONDITIONS}
    change_alerts(watched, {condition: threshold for condition, threshold in given.items() if threshold is not None})
    return _response(list_alerts(watched))
