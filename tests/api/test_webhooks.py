"""Webhooks by API: create, list, filter by type, change, test event, rotate, delete (issue 14.7)."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook as StandardWebhook

from app.access.api_tokens import SCOPES, create_token
from app.access.audit_log import AuditEvent
from app.core.database import db
from app.webhooks.models import list_deliveries, update_webhook
from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD, SILVER, WINE, set_segments
from tests.support.webhook_receiver import Received, Receiver
from tests.support.webhooks import API_URL as URL
from tests.support.webhooks import create, deliver, end_retry_delay, is_authentic


def verify(secret: str, received: Received) -> Any:
    """Return the content of a message that the library of Standard Webhooks accepts."""
    headers = {name.lower(): value for name, value in received.headers.items()}
    return StandardWebhook(secret).verify(received.body, headers)


def test_created_webhook_receives_changes_signed_with_its_secret(hooks: Api, receiver: Receiver, ana: str) -> None:
    response = hooks.call("POST", URL, json={"url": receiver.url}, status=201)
    webhook: Any = response.json
    assert response.headers["Location"] == f"{URL}/{webhook['id']}"
    set_segments(ana, GOLD)
    assert deliver() == 1
    message = verify(webhook["secret"], receiver.received[0])
    assert (message["type"], message["data"]["changeSet"]["id"]) == ("change_set", "1")
    assert set(message) == {"type", "timestamp", "data"}


def test_the_secret_is_answered_once(hooks: Api, receiver: Receiver) -> None:
    webhook = create(hooks, receiver, ["membership"])
    secret = webhook.pop("secret")
    assert (webhook["url"], webhook["types"], webhook["state"]) == (receiver.url, ["membership"], "active")
    listed = hooks.get(URL)
    assert listed.json == {"webhooks": [webhook]}
    single = hooks.get(f"{URL}/{webhook['id']}")
    assert single.json == webhook
    assert secret not in listed.text + single.text
    update_webhook(int(webhook["id"]), paused=True)
    assert hooks.get(f"{URL}/{webhook['id']}").json == {**webhook, "state": "paused"}


def test_a_test_event_is_sent_once_and_before_changes_that_wait(hooks: Api, receiver: Receiver, ana: str) -> None:
    webhook = create(hooks, receiver, ["interest"])
    message_id = hooks.call("POST", f"{URL}/{webhook['id']}/test", status=202).json["messageId"]  # type: ignore[index]
    receiver.answers = [500]
    assert deliver() == 1
    (received,) = receiver.received
    assert received.headers["webhook-id"] == message_id
    message = verify(webhook["secret"], received)
    assert (message["type"], message["data"]) == ("test", {})
    (delivery,) = list_deliveries(1, 10)
    assert (delivery.state, delivery.last_response) == ("failed", "500 Internal Server Error")
    set_segments(ana, WINE)
    receiver.answers = [503]
    deliver()
    hooks.call("POST", f"{URL}/{webhook['id']}/test", status=202)
    assert deliver() == 1
    assert receiver.received[-1].json()["type"] == "test"
    end_retry_delay()
    deliver()
    assert receiver.received[-1].json()["data"]["changeSet"]["id"] == "1"


def test_rotation_signs_with_both_secrets_for_the_overlap(hooks: Api, receiver: Receiver, ana: str) -> None:
    old = create(hooks, receiver)
    rotated: Any = hooks.call("POST", f"{URL}/1/rotate", json={}).json
    assert rotated["previousUntil"]
    set_segments(ana, GOLD)
    deliver()
    assert verify(rotated["secret"], receiver.received[-1]) == verify(old["secret"], receiver.received[-1])
    bodiless: Any = hooks.call("POST", f"{URL}/1/rotate", headers={"Content-Type": "text/plain"}).json
    assert bodiless["previousUntil"]
    newest: Any = hooks.call("POST", f"{URL}/1/rotate", json={"overlapHours": 0}).json
    assert newest["previousUntil"] is None
    set_segments(ana, SILVER)
    deliver()
    assert is_authentic(newest["secret"], receiver.received[-1])
    assert not is_authentic(rotated["secret"], receiver.received[-1])


def test_pending_deliveries_go_to_a_new_url_at_once(hooks: Api, receiver: Receiver, ana: str) -> None:
    webhook = create(hooks, receiver)
    receiver.answers = [503]
    set_segments(ana, GOLD)
    deliver()
    new_url = f"{receiver.url}&moved=1"
    hooks.call("PATCH", f"{URL}/1", json={"url": "http://example.com/"}, status=400, code="DISALLOWED_URL")
    assert deliver() == 0, "waits for another attempt"
    assert hooks.call("PATCH", f"{URL}/1", json={"url": new_url}).json["url"] == new_url  # type: ignore[index]
    assert deliver() == 1
    refused, accepted = receiver.received
    assert accepted.path == f"{refused.path}&moved=1"
    assert accepted.headers["webhook-id"] == refused.headers["webhook-id"]
    assert is_authentic(webhook["secret"], accepted)
    db.session.rollback()
    (event,) = db.session.scalars(select(AuditEvent).where(AuditEvent.event == "webhook_changed"))
    assert (event.target, event.before, event.after) == (receiver.url, {"url": receiver.url}, {"url": new_url})


def test_paused_webhook_continues_where_it_stopped(hooks: Api, receiver: Receiver, ana: str) -> None:
    webhook = create(hooks, receiver, ["membership"])
    del webhook["secret"]
    assert hooks.call("PATCH", f"{URL}/1", json={"state": "paused"}).json == {**webhook, "state": "paused"}
    set_segments(ana, GOLD)
    assert deliver() == 0
    assert hooks.call("PATCH", f"{URL}/1", json={"id": "7"}).json == {**webhook, "state": "paused"}, (
        "what is not sent stays"
    )
    assert hooks.call("PATCH", f"{URL}/1", json={"state": "active"}).json == webhook
    deliver()
    assert receiver.accepted() == ["1"]


def test_deleted_webhook_receives_nothing(hooks: Api, receiver: Receiver, ana: str) -> None:
    webhook = create(hooks, receiver)
    del webhook["secret"]
    assert hooks.call("DELETE", f"{URL}/{webhook['id']}").json == webhook
    set_segments(ana, GOLD)
    assert deliver() == 0
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test")):
        hooks.call(method, f"{URL}/{webhook['id']}{path}", status=404, code="NOT_FOUND")
    hooks.call("POST", f"{URL}/{webhook['id']}/rotate", json={}, status=404, code="NOT_FOUND")
    hooks.call("PATCH", f"{URL}/{webhook['id']}", json={}, status=404, code="NOT_FOUND")


@pytest.mark.parametrize("url", ["", "x", "http://example.com/hook", "https://127.0.0.1/", "https://a@example.com/"])
def test_disallowed_urls_are_refused(hooks: Api, url: str) -> None:
    hooks.call("POST", URL, json={"url": url}, status=400, code="DISALLOWED_URL")
    assert hooks.get(URL).json == {"webhooks": []}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "VALIDATION_ERROR"),
        ({"url": 1}, "VALIDATION_ERROR"),
        ({"types": "membership"}, "VALIDATION_ERROR"),
        ({"types": ["t"] * 51}, "VALIDATION_ERROR"),
        ({"types": [" membership"]}, "INVALID_TYPE"),
        ({"events": ["test"]}, "VALIDATION_ERROR"),
        ({"events": "change_set"}, "VALIDATION_ERROR"),
    ],
)
def test_other_bodies_are_refused(hooks: Api, receiver: Receiver, body: dict[str, Any], code: str) -> None:
    hooks.call("POST", URL, json={"url": receiver.url, **body} if body else {}, status=400, code=code)
    assert hooks.get(URL).json == {"webhooks": []}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "VALIDATION_ERROR"),
        ({"types": None}, "VALIDATION_ERROR"),
        ({"types": ["a"], "state": "deleted"}, "VALIDATION_ERROR"),
        ({"state": "paused", "types": [" a"]}, "INVALID_TYPE"),
        ({"events": ["change_set", "x"], "types": []}, "VALIDATION_ERROR"),
        ({"url": None, "types": []}, "VALIDATION_ERROR"),
        ({"url": "https://127.0.0.1/", "types": []}, "DISALLOWED_URL"),
    ],
)
def test_other_changes_are_refused_as_a_whole(hooks: Api, receiver: Receiver, body: Any, code: str) -> None:
    webhook = create(hooks, receiver, ["membership"])
    hooks.call("PATCH", f"{URL}/1", json=body, status=400, code=code)
    assert hooks.get(f"{URL}/1").json == {name: webhook[name] for name in webhook if name != "secret"}


@pytest.mark.parametrize("hours", [-1, 169, "1", 1.5, True])
def test_other_overlaps_are_refused(hooks: Api, receiver: Receiver, hours: Any) -> None:
    create(hooks, receiver)
    hooks.call("POST", f"{URL}/1/rotate", json={"overlapHours": hours}, status=400, code="VALIDATION_ERROR")


def test_the_scope_is_never_given_by_default(app: Flask, shell: Shell, api: Api, receiver: Receiver) -> None:
    by_command = api_with(app, shell("tokens", "create", "default").stdout.splitlines()[-1])
    every_other = api_with(app, create_token("others", tuple(scope for scope in SCOPES if scope != "webhooks:write")))
    for client in (api, by_command, every_other):
        client.get(URL, status=403, code="FORBIDDEN")
        client.call("POST", URL, json={"url": receiver.url}, status=403, code="FORBIDDEN")
    chosen = shell("tokens", "create", "hooks", "--scope", "webhooks:write").stdout.splitlines()[-1]
    create(api_with(app, chosen), receiver)


def test_unsupported_headers_and_parameters_are_refused(hooks: Api, receiver: Receiver) -> None:
    body = {"url": receiver.url}
    for headers in ({"Idempotency-Key": "k"}, {"Guard": "override"}):
        hooks.call("POST", URL, json=body, headers=headers, status=400, code="VALIDATION_ERROR")
    hooks.call("POST", f"{URL}?dry_run=true", json=body, status=400, code="VALIDATION_ERROR")
    assert hooks.get(URL).json == {"webhooks": []}


def test_the_audit_log_records_what_the_token_did(hooks: Api, receiver: Receiver) -> None:
    create(hooks, receiver, ["membership"])
    hooks.call("POST", f"{URL}/1/rotate", json={})
    hooks.call("PATCH", f"{URL}/1", json={"types": ["region"], "state": "paused"})
    hooks.call("PATCH", f"{URL}/1", json={"types": ["region"], "state": "active"})
    hooks.call("DELETE", f"{URL}/1")
    db.session.rollback()
    query = select(AuditEvent.actor, AuditEvent.event).where(AuditEvent.event.like("webhook%")).order_by(AuditEvent.id)
    actions = [
        "webhook_created",
        "webhook_rotated",
        "webhook_changed",
        "webhook_paused",
        "webhook_resumed",
        "webhook_deleted",
    ]
    assert [tuple(row) for row in db.session.execute(query)] == [("token hooks", action) for action in actions]
