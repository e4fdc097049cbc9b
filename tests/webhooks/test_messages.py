"""What webhooks receive is as the OpenAPI document describes it."""

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from marshmallow import RAISE

from app.core.changes.revert import revert
from app.core.database import now, run_in_transaction
from app.core.models.missed_nights import MissedNight
from app.core.models.segment_alerts import Watched
from app.webhooks.messages import CHANGE_SET, EVENTS, MESSAGES, NIGHT_MISSED, SEGMENT_ALERT, TEST
from app.webhooks.missed_nights import queue_missed_night
from app.webhooks.models import send_test_event
from app.webhooks.segment_alerts import change_alerts
from tests.support.customers import GOLD, TESTER, add_customers, set_segments
from tests.support.webhook_receiver import Receiver
from tests.support.webhooks import add_webhook, deliver


def miss_night() -> None:
    at = now()
    night = MissedNight(
        actor="token nightly", day=at, usually_by=at, last_at=at, last_change_set_id=7, missed_at=at, ended_at=None
    )
    run_in_transaction(lambda session: queue_missed_night(session, night))


def raise_and_clear_alerts() -> None:
    """Raise the alerts of a segment and of a whole type, and clear one of them."""
    for value in ("GOLD", None):
        change_alerts(Watched("membership", value), {"below": 5})
    change_alerts(Watched("membership", "GOLD"), {})


def change_and_revert() -> None:
    set_segments("a", GOLD)
    revert(1, TESTER)


HAPPENINGS: dict[str, Callable[[], Any]] = {
    CHANGE_SET: change_and_revert,
    SEGMENT_ALERT: raise_and_clear_alerts,
    NIGHT_MISSED: miss_night,
    TEST: lambda: send_test_event(1),
}


@pytest.mark.parametrize("event", MESSAGES)
def test_messages_are_as_described(app: Flask, receiver: Receiver, event: str) -> None:
    document: Any = app.test_client().get("/api/v3/openapi.json").json
    add_webhook(receiver.url, events=EVENTS)
    add_webhook(receiver.url, events=[event] if event in EVENTS else [])
    add_customers("a")
    HAPPENINGS[event]()
    deliver()
    described = document["webhooks"][event]["post"]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
    messages = [received for received in receiver.received if received.json()["type"] == event]
    assert messages
    for received in messages:
        validator.validate(received.json())
        assert MESSAGES[event](unknown=RAISE).validate(received.json()) == {}, "nothing but what is described"
        assert {parameter["name"] for parameter in described["parameters"]} <= {*map(str.lower, received.headers)}


def test_every_event_is_described(app: Flask) -> None:
    document: Any = app.test_client().get("/api/v3/openapi.json").json
    assert set(document["webhooks"]) == {*EVENTS, TEST}
