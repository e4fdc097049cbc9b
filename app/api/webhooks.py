"""Webhooks: created, listed, changed, tested, rotated and deleted by programs."""

from datetime import timedelta
from typing import Any

from flask import Response, current_app, jsonify
from marshmallow import fields, validate

from app.access.token_types import InvalidType
from app.api import blueprint
from app.api.api_blueprint import Body, Success, link
from app.api.errors import BODY_ERRORS
from app.api.examples import AT
from app.api.parameters import QuerySchema
from app.api.request_body import json_body, optional_json_body
from app.api.schemas import ResponseSchema, array_of, enum, string, strings, timestamp
from app.api.write_headers import HeaderSchema
from app.core.errors import NotFound
from app.core.limits import MAX_ROTATION_OVERLAP_HOURS, MAX_TOKEN_TYPES
from app.serialization.change_set_json import format_rfc3339, serialize_id
from app.serialization.request_schemas import RequestSchema, Text, validate_body
from app.webhooks.messages import CHANGE_SET, EVENTS, SEGMENT_ALERT
from app.webhooks.models import (
    Webhook,
    create_webhook,
    delete_webhook,
    get_webhook,
    list_webhooks,
    rotate_webhook,
    send_test_event,
    update_webhook,
)
from app.webhooks.signing import new_secret
from app.webhooks.url_policy import DisallowedUrl, parse_url, resolve

SCOPE = "webhooks:write"
STATES = ("active", "paused")
URL = "/v3/webhooks/<number:webhook_id>"
WEBHOOK_ID = {"in": "path", "name": "webhook_id", "description": "The id of the webhook.", "example": "1"}
LINKS = {
    name: link(operation, webhook_id="$response.body#/id")
    for name, operation in (("webhook", "readWebhook"), ("test", "testWebhook"), ("rotate", "rotateWebhook"))
}


class WebhookResponse(ResponseSchema):
    id = string()
    url = string("Where messages are sent.")
    events = strings("Only these events are sent; empty for all, also those that are added later.")
    types = strings("Only change sets that change segments of these types are sent, and alerts on them; empty for all.")
    state = enum("A paused webhook sends nothing until it is resumed, and then what has changed since.", *STATES)
    createdAt = timestamp("When it was created.")  # noqa: N815


class WebhookSecret(WebhookResponse):
    secret = string("Signs the messages. It is not shown again.")


class Webhooks(ResponseSchema):
    webhooks = array_of(WebhookResponse, "By id.")


WEBHOOK = {
    "id": "1",
    "url": "https://example.com/hook",
    "events": [CHANGE_SET, SEGMENT_ALERT],
    "types": ["membership"],
    "state": "active",
    "createdAt": AT,
}


def _webhook_json(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": serialize_id(webhook.id),
        "url": webhook.url,
        "events": webhook.events,
        "types": webhook.types,
        "state": "paused" if webhook.paused_at else "active",
        "createdAt": format_rfc3339(webhook.created_at),
    }


class FilterSchema(RequestSchema):
    events = fields.List(fields.String(validate=validate.OneOf(EVENTS)), validate=validate.Length(max=len(EVENTS)))
    types = fields.List(Text(), validate=validate.Length(max=MAX_TOKEN_TYPES))


class CreateWebhookSchema(FilterSchema):
    url = Text(required=True)


class UpdateWebhookSchema(FilterSchema):
    """A missing property stays as it is."""

    url = Text()
    state = fields.String(validate=validate.OneOf(STATES))


@blueprint.operation(
    "POST",
    "/v3/webhooks",
    name="createWebhook",
    tag="Webhooks",
    scope=SCOPE,
    query=QuerySchema,
    headers=HeaderSchema,
    body=Body(CreateWebhookSchema, {name: WEBHOOK[name] for name in ("url", "events", "types")}),
    responses=(
        Success(
            WebhookSecret,
            "The webhook, with its secret.",
            {**WEBHOOK, "secret": "whsec_…"},
            status=201,
            headers=("Location",),
            links=LINKS,
        ),
    ),
    errors=(*BODY_ERRORS, DisallowedUrl, InvalidType),
)
def create(query: dict[str, Any], headers: dict[str, Any]) -> tuple[Response, int]:
    """Create a webhook

    The URL receives every event from now on, or only those of `events` and `types`; with `types`, missed nights only if
    `events` names them. The secret is in this answer only.
    """
    body = json_body()
    validate_body(body, CreateWebhookSchema())
    _check_url(body["url"])
    salt, digest, secret = new_secret(current_app.config["SECRET_KEY"])
    webhook = get_webhook(create_webhook(body["url"], salt, digest, body.get("types", ()), body.get("events", ())))
    response = jsonify(**_webhook_json(webhook), secret=secret)
    response.headers["Location"] = f"/api/v3/webhooks/{webhook.id}"
    return response, 201


def _check_url(url: str) -> None:
    """Raise DisallowedUrl unless messages may be sent there."""
    resolve(parse_url(url, current_app.config["WEBHOOK_ALLOWED_HOSTS"] or ()))


@blueprint.operation(
    "GET",
    "/v3/webhooks",
    name="listWebhooks",
    tag="Webhooks",
    scope=SCOPE,
    query=QuerySchema,
    responses=(Success(Webhooks, "All webhooks.", {"webhooks": [WEBHOOK]}),),
)
def webhooks(query: dict[str, Any]) -> Response:
    """All webhooks

    Without their secrets.
    """
    return jsonify(webhooks=[_webhook_json(webhook) for webhook, _last in list_webhooks()])


@blueprint.operation(
    "GET",
    URL,
    name="readWebhook",
    tag="Webhooks",
    scope=SCOPE,
    query=QuerySchema,
    path_parameters=(WEBHOOK_ID,),
    responses=(Success(WebhookResponse, "The webhook.", WEBHOOK),),
    errors=(NotFound,),
)
def webhook(query: dict[str, Any], webhook_id: int) -> Response:
    """One webhook

    Without its secret.
    """
    return jsonify(_webhook_json(get_webhook(webhook_id)))


@blueprint.operation(
    "PATCH",
    URL,
    name="updateWebhook",
    tag="Webhooks",
    scope=SCOPE,
    query=QuerySchema,
    headers=HeaderSchema,
    path_parameters=(WEBHOOK_ID,),
    body=Body(UpdateWebhookSchema, {"types": ["membership", "region"], "state": "active"}),
    responses=(
        Success(WebhookResponse, "The webhook after the change.", {**WEBHOOK, "types": ["membership", "region"]}),
    ),
    errors=(*BODY_ERRORS, DisallowedUrl, InvalidType, NotFound),
)
def update(query: dict[str, Any], headers: dict[str, Any], webhook_id: int) -> Response:
    """Change a webhook

    Its URL, to which pending deliveries go at once; its events and segment types, which hold for what is sent from now
    on; or its state. A property that is not sent stays as it is.
    """
    body = json_body()
    validate_body(body, UpdateWebhookSchema())
    if "url" in body:
        _check_url(body["url"])
    paused = body["state"] == "paused" if "state" in body else None
    update_webhook(webhook_id, url=body.get("url"), types=body.get("types"), events=body.get("events"), paused=paused)
    return jsonify(_webhook_json(get_webhook(webhook_id)))


@blueprint.operation(
    "DELETE",
    URL,
    name="deleteWebhook",
    tag="Webhooks",
    scope=SCOPE,
    query=QuerySchema,
    headers=HeaderSchema,
    path_parameters=(WEBHOOK_ID,),
    responses=(Success(WebhookResponse, "The webhook that was deleted.", WEBHOOK),),
    errors=(NotFound,),
)
def delete(query: dict[str, Any], headers: dict[str, Any], webhook_id: int) -> Response:
    """Delete a webhook

    With its pending deliveries.
    """
    described = _webhook_json(get_webhook(webhook_id))
    delete_webhook(webhook_id)
    return jsonify(described)


class TestEvent(ResponseSchema):
    messageId = string("The header `webhook-id` of the message.")  # noqa: N815


@blueprint.operation(
    "POST",
    f"{URL}/test",
    name="testWebhook",
    tag="Webhooks",
    scope=SCOPE,
    query=QuerySchema,
    headers=HeaderSchema,
    path_parameters=(WEBHOOK_ID,),
    responses=(
        Success(TestEvent, "The message is sent soon.", {"messageId": "msg_2b5mZ0uJm6rJY5n2lJtB1w"}, status=202),
    ),
    errors=(NotFound,),
)
def send_test(query: dict[str, Any], headers: dict[str, Any], webhook_id: int) -> tuple[Response, int]:
    """Send a test event

    A signed message of the type `test`, attempted once. The page of the webhook shows the response. A paused webhook
    sends it when it is resumed.
    """
    return jsonify(messageId=send_test_event(webhook_id)), 202


class RotateWebhookSchema(RequestSchema):
    overlapHours = fields.Integer(  # noqa: N815
        strict=True,
        validate=validate.Range(0, MAX_ROTATION_OVERLAP_HOURS),
        metadata={"description": "How long messages are signed with the old secret, too. By default 24."},
    )


class RotatedWebhook(WebhookSecret):
    previousUntil = timestamp("Until when the old secret signs, too.", allow_none=True)  # noqa: N815


@blueprint.operation(
    "POST",
    f"{URL}/rotate",
    name="rotateWebhook",
    tag="Webhooks",
    scope=SCOPE,
    query=QuerySchema,
    headers=HeaderSchema,
    path_parameters=(WEBHOOK_ID,),
    body=Body(RotateWebhookSchema, {"overlapHours": 24}, required=False),
    responses=(
        Success(
            RotatedWebhook,
            "The webhook, with its new secret.",
            {**WEBHOOK, "secret": "whsec_…", "previousUntil": AT},
        ),
    ),
    errors=(*BODY_ERRORS, NotFound),
)
def rotate(query: dict[str, Any], headers: dict[str, Any], webhook_id: int) -> Response:
    """Rotate the secret of a webhook

    Messages are signed with both secrets for the overlap. The new secret is in this answer only. A body is not needed.
    """
    body = optional_json_body()
    validate_body(body, RotateWebhookSchema())
    salt, digest, secret = new_secret(current_app.config["SECRET_KEY"])
    rotate_webhook(webhook_id, salt, digest, timedelta(hours=body.get("overlapHours", 24)))
    webhook = get_webhook(webhook_id)
    until = webhook.previous_until and format_rfc3339(webhook.previous_until)
    return jsonify(**_webhook_json(webhook), secret=secret, previousUntil=until)
