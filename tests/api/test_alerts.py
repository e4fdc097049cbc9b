"""Alerts on the sizes of segments and types by API."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.access.api_tokens import SCOPES, create_token
from app.access.audit_log import AuditEvent
from app.core.database import db
from tests.support.clients import Api, api_with
from tests.support.customers import GOLD, add_customers, set_segments
from tests.support.webhook_receiver import Receiver
from tests.support.webhooks import add_webhook, deliver

URL = "/api/v3/alerts"
NAMES = ("type", "value", "condition", "threshold")


def put(api: Api, **body: Any) -> list[tuple[Any, ...]]:
    """Set alerts; return them, and whether each is raised."""
    response: Any = api.call("PUT", URL, json={"type": "membership", **body}).json
    return [(*(alert[name] for name in NAMES), alert["raisedAt"] is not None) for alert in response["alerts"]]


def conditions(api: Api) -> list[tuple[Any, ...]]:
    response: Any = api.get(URL).json
    return [tuple(alert[name] for name in NAMES) for alert in response["alerts"]]


def test_alerts_are_set_checked_at_once_and_listed(api: Api) -> None:
    add_customers("a")
    set_segments("a", GOLD)
    assert put(api, value="GOLD", below=2, above=5) == [
        ("membership", "GOLD", "above", 5, False),
        ("membership", "GOLD", "below", 2, True),
    ]
    assert put(api, change=20) == [("membership", None, "change", 20, False)]
    assert put(api, value="", above=0) == [("membership", "", "above", 0, False)], "not the type"
    assert set(conditions(api)) == {
        ("membership", None, "change", 20),
        ("membership", "", "above", 0),
        ("membership", "GOLD", "above", 5),
        ("membership", "GOLD", "below", 2),
    }


def test_what_is_not_named_ends_and_what_stays_stays_raised(api: Api) -> None:
    put(api, value="GOLD", below=2, above=5)
    before = [alert for alert in api.get(URL).json["alerts"] if alert["condition"] == "below"]  # type: ignore[index]
    put(api, value="GOLD", below=2, above=None)
    assert api.get(URL).json == {"alerts": before}
    assert put(api, value="GOLD") == []
    assert conditions(api) == []


def test_webhooks_are_told_and_the_audit_log_names_the_token(api: Api, receiver: Receiver) -> None:
    add_webhook(receiver.url)
    put(api, value="GOLD", below=1)
    deliver()
    assert [received.json()["type"] for received in receiver.received] == ["segment.alert"]
    db.session.rollback()
    query = select(AuditEvent.actor, AuditEvent.target, AuditEvent.after).where(
        AuditEvent.event == "segment_alerts_changed"
    )
    ((actor, target, after),) = db.session.execute(query)
    assert (actor.startswith("token "), target, after) == (True, "membership:GOLD", {"below": 1})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": 1},
        {"type": "a\0"},
        {"type": "a", "value": "\0"},
        {"type": "a", "below": 0},
        {"type": "a", "above": -1},
        {"type": "a", "above": 10**9 + 1},
        {"type": "a", "change": "20"},
        {"type": "a", "change": 1.5},
    ],
)
def test_other_bodies_are_refused(api: Api, body: dict[str, Any]) -> None:
    api.call("PUT", URL, json=body, status=400, code="VALIDATION_ERROR")
    assert conditions(api) == []


def test_token_of_other_types_and_scopes_is_refused(app: Flask, api: Api) -> None:
    limited = api_with(app, create_token("limited", SCOPES, types=["region"]))
    limited.call("PUT", URL, json={"type": "membership", "below": 1}, status=403, code="FORBIDDEN")
    limited.call("PUT", URL, json={"type": "region", "below": 1})
    reader = api_with(app, create_token("reader", ("segments:read",)))
    reader.call("PUT", URL, json={"type": "region"}, status=403, code="FORBIDDEN")
    assert conditions(reader) == [("region", None, "below", 1)]
    api_with(app, create_token("writer", ("segments:write",))).get(URL, status=403, code="FORBIDDEN")
