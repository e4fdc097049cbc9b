"""Webhooks by API: create, list, filter by type, change, test event, rotate, delete (issue 14.7)."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook as StandardWebhook

from app.access.api_tokens import SCOPES, create_token
from app.access.audit_log import AuditEvent
from app.background import deliver_webhooks
from app.core.changes.revert import revert
from app.core.database import db
from app.webhooks.models import list_deliveries, update_webhook
from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD, SILVER, TESTER, WINE, add_customers, set_segments
from tests.support.webhook_receiver import Received, Receiver
from tests.support.webhooks import NEVER_STOPS, add_webhook, deliver, end_retry_delay, is_authentic

URL = "/api/v3/webhooks"


@pytest.fixture
def admin(app: Flask) -> Api:
    return api_with(app, create_token("hooks", ("webhooks:write",)))


def create(admin: Api, receiver: Receiver, types: list[str] | None = None) -> Any:
    body = {"url": receiver.url, **({"types": types} if types is not None else {})}
    return admin.call("POST", URL, json=body, status=201).json


def verify(secret: str, received: Received) -> Any:
    """Return the content of a message that the library of Standard Webhooks accepts."""
    headers = {name.lower(): value for name, value in received.headers.items()}
    return StandardWebhook(secret).verify(received.body, headers)


def test_created_webhook_receives_changes_signed_with_its_secret(admin: Api, receiver: Receiver, ana: str) -> None:
    response = admin.call("POST", URL, json={"url": receiver.url}, status=201)
    webhook: Any = response.json
    assert response.headers["Location"] == f"{URL}/{webhook['id']}"
    set_segments(ana, GOLD)
    assert deliver() == 1
    message = verify(webhook["secret"], receiver.received[0])
    assert (message["type"], message["data"]["changeSet"]["id"]) == ("change_set", "1")
    assert set(message) == {"type", "timestamp", "data"}


def test_the_secret_is_answered_once(admin: Api, receiver: Receiver) -> None:
    webhook = create(admin, receiver, ["membership"])
    secret = webhook.pop("secret")
    assert (webhook["url"], webhook["types"], webhook["state"]) == (receiver.url, ["membership"], "active")
    listed = admin.get(URL)
    assert listed.json == {"webhooks": [webhook]}
    single = admin.get(f"{URL}/{webhook['id']}")
    assert single.json == webhook
    assert secret not in listed.text + single.text
    update_webhook(int(webhook["id"]), paused=True)
    assert admin.get(f"{URL}/{webhook['id']}").json == {**webhook, "state": "paused"}


def test_only_change_sets_of_its_types_are_sent(admin: Api, receiver: Receiver) -> None:
    add_customers("a", "b")
    create(admin, receiver, ["membership", "region"])
    set_segments("a", WINE)  # 1
    set_segments("a", [*GOLD, *WINE])  # 2: membership
    set_segments("a", [*WINE, *GOLD])  # 3: another order among types
    set_segments("b", GOLD)  # 4: membership
    set_segments("a", GOLD)  # 5
    set_segments("a", [*SILVER, *GOLD])  # 6: membership
    set_segments("a", [*GOLD, *SILVER])  # 7: another order within the type
    revert(7, TESTER)  # 8
    deliver()
    assert receiver.accepted() == ["2", "4", "6", "7", "8"]
    assert [delivery.change_set_id for delivery in reversed(list_deliveries(1, 100))] == [2, 4, 6, 7, 8]
    assert deliver() == 0


def test_a_webhook_that_skips_many_change_sets_leaves_others_their_turn(receiver: Receiver, ana: str) -> None:
    add_webhook(receiver.url, ["interest"])
    add_webhook(receiver.url)
    for segments in (GOLD, SILVER, GOLD):
        set_segments(ana, segments)
    for _ in range(2):
        deliver_webhooks(NEVER_STOPS)
    assert receiver.accepted() == ["1"]


def test_a_change_that_adds_and_removes_as_many_is_sent(admin: Api, receiver: Receiver) -> None:
    """The counts of segments stay as they are."""
    add_customers("a", "b")
    set_segments("a", GOLD)
    create(admin, receiver, ["membership"])
    Api.replace(api_with(admin.client.application, create_token("crm")), [
        {"document_id": "a", "segments": []}, {"document_id": "b", "segments": GOLD},
    ])  # fmt: skip
    deliver()
    assert receiver.accepted() == ["2"]


def test_a_test_event_is_sent_once_and_before_changes_that_wait(admin: Api, receiver: Receiver, ana: str) -> None:
    webhook = create(admin, receiver, ["interest"])
    message_id = admin.call("POST", f"{URL}/{webhook['id']}/test", status=202).json["messageId"]  # type: ignore[index]
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
    admin.call("POST", f"{URL}/{webhook['id']}/test", status=202)
    assert deliver() == 1
    assert receiver.received[-1].json()["type"] == "test"
    end_retry_delay()
    deliver()
    assert receiver.received[-1].json()["data"]["changeSet"]["id"] == "1"


def test_rotation_signs_with_both_secrets_for_the_overlap(admin: Api, receiver: Receiver, ana: str) -> None:
    old = create(admin, receiver)
    rotated: Any = admin.call("POST", f"{URL}/1/rotate", json={}).json
    assert rotated["previousUntil"]
    set_segments(ana, GOLD)
    deliver()
    assert verify(rotated["secret"], receiver.received[-1]) == verify(old["secret"], receiver.received[-1])
    newest: Any = admin.call("POST", f"{URL}/1/rotate", json={"overlapHours": 0}).json
    assert newest["previousUntil"] is None
    set_segments(ana, SILVER)
    deliver()
    assert is_authentic(newest["secret"], receiver.received[-1])
    assert not is_authentic(rotated["secret"], receiver.received[-1])


def test_other_types_hold_for_what_is_sent_from_now_on(admin: Api, receiver: Receiver, ana: str) -> None:
    webhook = create(admin, receiver, ["interest"])
    del webhook["secret"]
    set_segments(ana, GOLD)
    deliver()
    changed = {**webhook, "types": ["membership", "region"]}
    assert admin.call("PATCH", f"{URL}/1", json={"types": ["membership", "region"]}).json == changed
    set_segments(ana, SILVER)
    deliver()
    assert receiver.accepted() == ["2"]
    assert admin.call("PATCH", f"{URL}/1", json={"types": []}).json == webhook | {"types": []}
    set_segments(ana, [*SILVER, *WINE])
    deliver()
    assert receiver.accepted() == ["2", "3"]


def test_paused_webhook_continues_where_it_stopped(admin: Api, receiver: Receiver, ana: str) -> None:
    webhook = create(admin, receiver, ["membership"])
    del webhook["secret"]
    assert admin.call("PATCH", f"{URL}/1", json={"state": "paused"}).json == {**webhook, "state": "paused"}
    set_segments(ana, GOLD)
    assert deliver() == 0
    assert admin.call("PATCH", f"{URL}/1", json={}).json == {**webhook, "state": "paused"}, "what is not sent stays"
    assert admin.call("PATCH", f"{URL}/1", json={"state": "active"}).json == webhook
    deliver()
    assert receiver.accepted() == ["1"]


def test_deleted_webhook_receives_nothing(admin: Api, receiver: Receiver, ana: str) -> None:
    webhook = create(admin, receiver)
    del webhook["secret"]
    assert admin.call("DELETE", f"{URL}/{webhook['id']}").json == webhook
    set_segments(ana, GOLD)
    assert deliver() == 0
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test")):
        admin.call(method, f"{URL}/{webhook['id']}{path}", status=404, code="NOT_FOUND")
    admin.call("POST", f"{URL}/{webhook['id']}/rotate", json={}, status=404, code="NOT_FOUND")
    admin.call("PATCH", f"{URL}/{webhook['id']}", json={}, status=404, code="NOT_FOUND")


@pytest.mark.parametrize("url", ["", "x", "http://example.com/hook", "https://127.0.0.1/", "https://a@example.com/"])
def test_disallowed_urls_are_refused(admin: Api, url: str) -> None:
    admin.call("POST", URL, json={"url": url}, status=400, code="DISALLOWED_URL")
    assert admin.get(URL).json == {"webhooks": []}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "VALIDATION_ERROR"),
        ({"url": 1}, "VALIDATION_ERROR"),
        ({"types": "membership"}, "VALIDATION_ERROR"),
        ({"types": ["t"] * 51}, "VALIDATION_ERROR"),
        ({"types": [" membership"]}, "INVALID_TYPE"),
    ],
)
def test_other_bodies_are_refused(admin: Api, receiver: Receiver, body: dict[str, Any], code: str) -> None:
    admin.call("POST", URL, json={"url": receiver.url, **body} if body else {}, status=400, code=code)
    assert admin.get(URL).json == {"webhooks": []}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "VALIDATION_ERROR"),
        ({"types": None}, "VALIDATION_ERROR"),
        ({"types": ["a"], "state": "deleted"}, "VALIDATION_ERROR"),
        ({"state": "paused", "types": [" a"]}, "INVALID_TYPE"),
    ],
)
def test_other_changes_are_refused_as_a_whole(admin: Api, receiver: Receiver, body: Any, code: str) -> None:
    webhook = create(admin, receiver, ["membership"])
    admin.call("PATCH", f"{URL}/1", json=body, status=400, code=code)
    assert admin.get(f"{URL}/1").json == {name: webhook[name] for name in webhook if name != "secret"}


@pytest.mark.parametrize("hours", [-1, 169, "1", 1.5, True])
def test_other_overlaps_are_refused(admin: Api, receiver: Receiver, hours: Any) -> None:
    create(admin, receiver)
    admin.call("POST", f"{URL}/1/rotate", json={"overlapHours": hours}, status=400, code="VALIDATION_ERROR")


def test_the_scope_is_never_given_by_default(app: Flask, shell: Shell, api: Api, receiver: Receiver) -> None:
    by_command = api_with(app, shell("tokens", "create", "default").stdout.splitlines()[-1])
    every_other = api_with(app, create_token("others", tuple(scope for scope in SCOPES if scope != "webhooks:write")))
    for client in (api, by_command, every_other):
        client.get(URL, status=403, code="FORBIDDEN")
        client.call("POST", URL, json={"url": receiver.url}, status=403, code="FORBIDDEN")
    chosen = shell("tokens", "create", "hooks", "--scope", "webhooks:write").stdout.splitlines()[-1]
    create(api_with(app, chosen), receiver)


def test_unsupported_headers_and_parameters_are_refused(admin: Api, receiver: Receiver) -> None:
    body = {"url": receiver.url}
    for headers in ({"Idempotency-Key": "k"}, {"Guard": "override"}):
        admin.call("POST", URL, json=body, headers=headers, status=400, code="VALIDATION_ERROR")
    admin.call("POST", f"{URL}?dry_run=true", json=body, status=400, code="VALIDATION_ERROR")
    assert admin.get(URL).json == {"webhooks": []}


def test_the_audit_log_records_what_the_token_did(admin: Api, receiver: Receiver) -> None:
    create(admin, receiver, ["membership"])
    admin.call("POST", f"{URL}/1/rotate", json={})
    admin.call("PATCH", f"{URL}/1", json={"types": ["region"], "state": "paused"})
    admin.call("PATCH", f"{URL}/1", json={"types": ["region"], "state": "active"})
    admin.call("DELETE", f"{URL}/1")
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
