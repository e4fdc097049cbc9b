"""Webhooks by API: limited to events and to segment types (issue 14.7)."""

from flask import Flask

from app.access.api_tokens import create_token
from app.background import deliver_webhooks
from app.core.changes.revert import revert
from app.core.models.segment_alerts import Watched
from app.webhooks.models import Webhook, list_deliveries
from app.webhooks.segment_alerts import change_alerts
from tests.support.clients import Api, api_with
from tests.support.customers import GOLD, SILVER, TESTER, WINE, add_customers, set_segments
from tests.support.webhook_receiver import Receiver
from tests.support.webhooks import API_URL as URL
from tests.support.webhooks import NEVER_STOPS, add_webhook, create, deliver


def test_only_change_sets_of_its_types_are_sent(hooks: Api, receiver: Receiver) -> None:
    add_customers("a", "b")
    create(hooks, receiver, ["membership", "region"])
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


def test_a_change_that_adds_and_removes_as_many_is_sent(hooks: Api, receiver: Receiver) -> None:
    """The counts of segments stay as they are."""
    add_customers("a", "b")
    set_segments("a", GOLD)
    create(hooks, receiver, ["membership"])
    Api.replace(api_with(hooks.client.application, create_token("crm")), [
        {"document_id": "a", "segments": []}, {"document_id": "b", "segments": GOLD},
    ])  # fmt: skip
    deliver()
    assert receiver.accepted() == ["2"]


def test_other_types_hold_for_what_is_sent_from_now_on(hooks: Api, receiver: Receiver, ana: str) -> None:
    webhook = create(hooks, receiver, ["interest"])
    del webhook["secret"]
    set_segments(ana, GOLD)
    deliver()
    changed = {**webhook, "types": ["membership", "region"]}
    assert hooks.call("PATCH", f"{URL}/1", json={"types": ["membership", "region"]}).json == changed
    set_segments(ana, SILVER)
    deliver()
    assert receiver.accepted() == ["2"]
    assert hooks.call("PATCH", f"{URL}/1", json={"types": []}).json == webhook | {"types": []}
    set_segments(ana, [*SILVER, *WINE])
    deliver()
    assert receiver.accepted() == ["2", "3"]


def test_only_its_events_are_sent(hooks: Api, receiver: Receiver, ana: str) -> None:
    alerts = create(hooks, receiver, events=["segment.alert"])
    assert alerts["events"] == ["segment.alert"]
    change_alerts(Watched("membership", "GOLD"), {"below": 2})
    set_segments(ana, GOLD)
    deliver()
    assert [received.json()["type"] for received in receiver.received] == ["segment.alert"]
    del alerts["secret"]
    changed = {**alerts, "events": ["change_set", "night.missed"]}
    assert hooks.call("PATCH", f"{URL}/1", json={"events": changed["events"]}).json == changed
    set_segments(ana, SILVER)
    change_alerts(Watched("membership", "GOLD"), {"below": 5})
    deliver()
    assert [received.json()["type"] for received in receiver.received[1:]] == ["change_set"]
    assert hooks.call("PATCH", f"{URL}/1", json={"events": []}).json == {**alerts, "events": []}


def test_types_leave_out_missed_nights_unless_they_are_chosen(app: Flask) -> None:
    """A missed night has no type."""
    chosen = [
        Webhook(types=types, events=events).selects("night.missed")
        for types in ([], ["membership"])
        for events in ([], ["change_set"], ["change_set", "night.missed"])
    ]
    assert chosen == [True, False, True, False, False, True]
