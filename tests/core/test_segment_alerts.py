"""Alerts on the sizes of segments and types: raised once, cleared by themselves, reported to webhooks."""

from datetime import timedelta
from typing import cast

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core.changes.replace_segments import replace_segments
from app.core.counts import size_alerts
from app.core.counts.compaction import compact
from app.core.database import db, now
from app.core.models.segment_alerts import (
    Condition,
    RaisedAlert,
    SegmentAlert,
    Size,
    Watched,
    list_alerts,
    list_raised,
    save_alerts,
)
from app.webhooks.segment_alerts import check_segment_alerts
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, TESTER, Segments, add_customers
from tests.support.dates import date
from tests.support.html_client import HtmlClient
from tests.support.webhook_receiver import Receiver
from tests.support.webhooks import add_webhook, deliver, is_authentic

WATCHED = Watched("membership", "GOLD")
TYPE = Watched("membership")
IDS = [f"c{number}" for number in range(10)]


def set_segments(segments: Segments, *ids: str) -> int:
    """Replace the segments of these customers; return the change set."""
    change_set_id = replace_segments(dict.fromkeys(ids, segments), TESTER).change_set_id
    assert change_set_id
    return change_set_id


def watch(watched: Watched = WATCHED, **thresholds: int) -> None:
    save_alerts(watched, cast(dict[Condition, int], thresholds))


def check() -> int:
    db.session.rollback()
    changed = check_segment_alerts()
    db.session.rollback()
    return changed


def raised(watched: Watched | None = None) -> list[tuple[str, int, int, bool]]:
    db.session.rollback()
    return [
        (alert.condition, alert.customers, alert.day_before, alert.cleared_at is not None)
        for alert in list_raised(20, watched)
    ]


@pytest.fixture
def shop(app: Flask) -> None:
    add_customers(*IDS)


# Raised and cleared


def test_alert_is_raised_once_and_clears_by_itself(shop: None) -> None:
    watch(below=3)
    date(set_segments(GOLD, *IDS[:4]), now() - timedelta(days=2))
    assert (check(), raised()) == (0, [])
    set_segments(SILVER, *IDS[:2])
    assert (check(), check()) == (1, 0)
    assert raised() == [("below", 2, 4, False)]
    set_segments(GOLD, IDS[0])
    assert (check(), raised()) == (1, [])
    assert raised(WATCHED) == [("below", 2, 4, True)]
    set_segments(SILVER, IDS[0])
    assert check() == 1
    assert [alert[3] for alert in raised(WATCHED)] == [False, True]


def test_thresholds_themselves_are_within(shop: None) -> None:
    watch(below=3, above=3)
    set_segments(GOLD, *IDS[:3])
    assert check() == 0
    set_segments(GOLD, IDS[3])
    assert check() == 1
    assert raised() == [("above", 4, 0, False)]


def test_segment_that_nobody_has_is_below(shop: None) -> None:
    watch(below=1)
    assert check() == 1
    assert raised() == [("below", 0, 0, False)]


@pytest.mark.parametrize("compacted", [True, False])
def test_move_of_a_day_clears_when_the_day_is_over(shop: None, compacted: bool) -> None:
    watch(change=20)
    date(set_segments(GOLD, *IDS), now() - timedelta(hours=30))
    change_set_ids = [set_segments(SILVER, *IDS[:2])]
    assert check() == 0, "two of ten are not more than 20 %"
    change_set_ids.append(set_segments(SILVER, IDS[2]))
    if compacted:
        compact()
    assert check() == 1
    assert raised() == [("change", 7, 10, False)]
    for change_set_id in change_set_ids:
        date(change_set_id, now() - timedelta(hours=25))
    assert (check(), raised()) == (1, [])


def test_growth_from_nothing_is_no_share(shop: None) -> None:
    watch(change=0)
    set_segments(GOLD, *IDS)
    assert check() == 0


@pytest.mark.parametrize("size", [Size(0, 10), Size(21, 10)])
def test_change_counts_in_both_directions(size: Size) -> None:
    assert SegmentAlert(condition="change", threshold=99).holds(size)


def test_size_of_a_type_is_the_sum_of_its_segments(shop: None) -> None:
    watch(TYPE, above=5)
    watch(Watched("region"), above=5)
    set_segments(GOLD, *IDS[:3])
    set_segments(SILVER, *IDS[3:5])
    assert check() == 0
    set_segments(SILVER, IDS[5])
    assert check() == 1
    assert raised(TYPE) == [("above", 6, 0, False)]
    assert raised(WATCHED) == []


def test_type_and_segment_with_an_empty_value_are_watched_apart(shop: None) -> None:
    watch(TYPE, below=2)
    watch(Watched("membership", ""), below=1)
    set_segments(GOLD, *IDS[:2])
    assert check() == 1
    assert [alert.value for alert in list_raised(20)] == [""]


# Changed


def test_other_threshold_clears_and_is_checked_anew(shop: None) -> None:
    watch(below=3, change=50)
    check()
    watch(below=4)
    assert raised(WATCHED) == [("below", 0, 0, True)]
    assert [(alert.condition, alert.threshold) for alert in list_alerts(WATCHED)] == [("below", 4)]
    assert check() == 1
    watch(below=4, above=9)
    assert [alert[3] for alert in raised(WATCHED)] == [False, True], "what did not change stays raised"
    watch()
    assert (list_alerts(), raised()) == ([], [])


def test_processes_that_check_at_once_raise_it_once(shop: None, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(below=3)
    load_sizes, others = size_alerts.load_sizes, iter([check_segment_alerts])

    def faster(*args: object) -> object:
        sizes = load_sizes(*args)  # type: ignore[arg-type]
        for other in others:
            assert other() == 1
        return sizes

    monkeypatch.setattr(size_alerts, "load_sizes", faster)
    assert check() == 0
    assert db.session.scalar(select(func.count()).select_from(RaisedAlert)) == 1


def test_records_that_cleared_long_ago_are_deleted(shop: None) -> None:
    watch(below=3, above=9)
    check()
    watch(above=9)
    for alert in list_raised(20, WATCHED):
        alert.cleared_at = now() - timedelta(days=366)
    db.session.commit()
    watch(below=2)
    check()
    size_alerts.remove_old_alerts()
    assert raised(WATCHED) == [("below", 0, 0, False)]


# Messages to webhooks


def test_webhooks_receive_both_transitions_and_no_personal_data(shop: None, receiver: Receiver) -> None:
    secret = add_webhook(receiver.url)
    add_webhook(receiver.url, ["region"])
    watch(above=1)
    set_segments(GOLD, *IDS[:2])
    check()
    set_segments(SILVER, IDS[0])
    check()
    deliver()
    alerts = [received for received in receiver.received if received.json()["type"] == "segment.alert"]
    first, second = (received.json() for received in alerts)
    described = first["data"]["alert"]
    assert described == {
        "state": "raised",
        "type": "membership",
        "value": "GOLD",
        "condition": "above",
        "threshold": 1,
        "customers": 2,
        "customersDayBefore": 0,
        "raisedAt": first["timestamp"],
        "clearedAt": None,
    }
    assert second["data"]["alert"] == {**described, "state": "cleared", "clearedAt": second["timestamp"]}
    assert all(is_authentic(secret, received) for received in alerts)
    assert not any(id_ in received.body.decode() for received in alerts for id_ in IDS)


def test_metric_counts_raised_alerts_by_condition(shop: None, api: Api) -> None:
    watch(below=3, above=9)
    check()
    text = api.client.get("/metrics").text
    lines = {line for line in text.splitlines() if line.startswith("segment_alerts_raised{")}
    assert lines == {
        f'segment_alerts_raised{{condition="{name}"}} {float(name == "below")}' for name in ("below", "above", "change")
    }


# On the pages


def test_editor_sets_alerts_which_are_checked_at_once(shop: None, editor: HtmlClient, viewer: HtmlClient) -> None:
    set_segments(GOLD, *IDS[:2])
    editor.post("/segments/membership/GOLD/alerts", {"below": "3", "above": "", "change": "20"})
    page = editor.get("/segments/membership/GOLD/alerts")
    assert [page.field(name) for name in ("below", "change")] == ["3", "20"]
    for path in ("/", "/segments/membership/GOLD"):
        assert "2 customers (below 3)" in viewer.get(path).text
    viewer.post("/segments/membership/GOLD/alerts", {}, status=403)
    set_segments(GOLD, IDS[2])
    check()
    assert "below 3" not in viewer.get("/").text
    assert "cleared" in viewer.get("/segments/membership/GOLD/alerts").text


def test_alerts_of_a_type_are_set_on_its_page(shop: None, editor: HtmlClient) -> None:
    editor.post("/segment-types/membership/alerts", {"below": "3"})
    assert list_alerts(TYPE)
    assert "0 assignments (below 3)" in editor.get("/segment-types/membership").text


@pytest.mark.parametrize("field", [{"below": "0"}, {"above": "-1"}, {"change": "x"}, {"below": "99999999999"}])
def test_invalid_threshold_is_refused(shop: None, editor: HtmlClient, field: dict[str, str]) -> None:
    editor.post("/segments/membership/GOLD/alerts", field, status=422)
    assert list_alerts() == []
