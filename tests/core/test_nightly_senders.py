"""Who usually comes every night, is late today, and is reported to webhooks once."""

import re
from datetime import UTC, datetime, time, timedelta
from datetime import date as date_
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app import background
from app.access import missed_nights as missed_nights_module
from app.access.api_tokens import ApiToken, create_token
from app.core.changes.replace_segments import replace_segments
from app.core.database import db, now, run_in_transaction
from app.core.history.nightly_senders import OBSERVED_DAYS, late_senders
from app.core.models.change_sets import Actor, ChangeSet
from app.core.models.missed_nights import MissedNight
from app.jobs.revoked_tokens import revoke_token
from app.webhooks.missed_nights import check_missed_nights
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers
from tests.support.dates import date
from tests.support.html_client import HtmlClient
from tests.support.webhook_receiver import Received, Receiver
from tests.support.webhooks import add_webhook, deliver, is_authentic

TODAY = datetime(2026, 6, 15, tzinfo=UTC)
DAYS = [TODAY - timedelta(days=ago) for ago in range(OBSERVED_DAYS, -1, -1)]
CRM = Actor("token crm-nightly", "api")


def send(actor: Actor, at: datetime) -> None:
    """Leave a change set of this moment."""
    change_set_id = None
    for segments in (GOLD, SILVER):
        change_set_id = change_set_id or replace_segments({"a": segments}, actor).change_set_id
    assert change_set_id
    date(change_set_id, at)


def send_on(days: list[datetime], actor: Actor = CRM, hour: float = 2.7) -> None:
    add_customers("a")
    for number, day in enumerate(days):
        send(actor, day + timedelta(hours=hour, minutes=number % 5))


def late(hour: float) -> list[tuple[str, str]]:
    db.session.rollback()
    found = late_senders(ZoneInfo("UTC"), TODAY + timedelta(hours=hour))
    return [(sender.actor, f"{sender.usually_by:%H:%M}") for sender in found]


def test_sender_of_every_night_is_late_an_hour_after_its_usual_time(app: Flask) -> None:
    send_on(DAYS[:-1])
    assert late(3.9) == []
    assert late(4.1) == [("token crm-nightly", "03:00")]
    send(CRM, TODAY + timedelta(hours=4.5))
    assert late(5) == []


def test_sender_before_midnight_is_late_after_it_until_noon(app: Flask) -> None:
    send_on(DAYS[:-1], hour=22.9)
    expected = [("token crm-nightly", "23:00")]
    assert [late(hour) for hour in (22, 23.9, 24.1, 35.9, 36.1)] == [[], [], expected, expected, []]
    send(CRM, TODAY + timedelta(hours=25))
    assert late(26) == []


def send_about_midnight(days: list[datetime]) -> None:
    """Come ten minutes before midnight and ten minutes after it in turns: twice on some days, and on others never."""
    add_customers("a")
    for number, day in enumerate(days):
        send(CRM, day + timedelta(days=1, minutes=10 if number % 2 else -10))


def test_sender_about_midnight_is_late_once_a_night(app: Flask) -> None:
    send_about_midnight(DAYS[:-1])
    assert [late(hour) for hour in (23, 25.2)] == [[], []]
    assert late(25.3) == late(35.9) == [("token crm-nightly", "00:15")]


@pytest.mark.parametrize("hour", [22.5, 23.8, 24.2, 25.1])
def test_sender_after_midnight_that_comes_before_it_has_come(app: Flask, hour: float) -> None:
    send_on([day + timedelta(days=1) for day in DAYS[:-1]], hour=0.2)
    send(CRM, TODAY + timedelta(hours=hour))
    assert [late(hour) for hour in (26, 30)] == [[], []]
    assert [actor for actor, _usually_by in late(51)] == [CRM.name], "the night after it"


def test_sender_that_comes_in_the_afternoon_as_well_is_expected_at_night(app: Flask) -> None:
    send_on(DAYS[:-1])
    send_on(DAYS[:-1], hour=14)
    assert late(4.1) == [("token crm-nightly", "03:00")]


@pytest.mark.parametrize(
    ("zone", "first_day", "usual"),
    [
        pytest.param("America/New_York", "2026-03-01", time(23, 30), id="spring"),
        pytest.param("America/New_York", "2026-10-25", time(23, 30), id="autumn"),
        pytest.param("Europe/Madrid", "2026-03-22", time(0, 5), id="spring, after midnight"),
        pytest.param("Europe/Madrid", "2026-10-18", time(3, 0), id="autumn, at night"),
    ],
)
def test_sender_comes_by_the_local_clock(app: Flask, zone: str, first_day: str, usual: time) -> None:
    """The clocks change in the second week: who comes by the clock is not late, who does not come is."""
    days = [date_.fromisoformat(first_day) + timedelta(days=number) for number in range(28)]
    nights = [datetime.combine(day, usual, ZoneInfo(zone)).astimezone(UTC) for day in days]
    add_customers("a")
    for number, at in enumerate(nights):
        if number > OBSERVED_DAYS:
            assert late_senders(ZoneInfo(zone), at - timedelta(minutes=1)) == []
        if number != 20:
            send(CRM, at)
            db.session.rollback()
            assert late_senders(ZoneInfo(zone), at + timedelta(hours=2.5)) == []
        else:
            db.session.rollback()
            assert [found.actor for found in late_senders(ZoneInfo(zone), at + timedelta(hours=2.5))] == [CRM.name]


def test_missed_nights_and_a_late_one_do_not_change_what_is_usual(app: Flask) -> None:
    send_on(DAYS[:11])
    send(CRM, DAYS[11] + timedelta(hours=15))
    assert late(4.1) == [("token crm-nightly", "03:00")]


@pytest.mark.parametrize(
    "days", [pytest.param(DAYS[4:-1], id="new"), pytest.param([d for d in DAYS[:-1] if d.weekday() < 5], id="weekdays")]
)
def test_others_are_not_expected_every_night(app: Flask, days: list[datetime]) -> None:
    send_on(days)
    assert late(23) == []


def test_operators_and_those_who_send_at_any_time_are_not_expected(app: Flask) -> None:
    send_on(DAYS[:-1], Actor("ana@example.com", "page"))
    for number, day in enumerate(DAYS[:-1]):
        send(CRM, day + timedelta(hours=number % 6 * 4))
    assert late(23) == []


def noon_zone() -> str:
    """Return the time zone in which it is about noon; in its name, the sign is that of POSIX."""
    return f"Etc/GMT{now().hour - 12:+d}"


@pytest.fixture
def missed(viewer: HtmlClient) -> str:
    """A token that came three hours after midnight on each day, and not today; its name. For the viewer it is noon."""
    create_token("crm-nightly")
    viewer.client.set_cookie("time_zone", noon_zone())
    noon = now().replace(minute=0, second=0, microsecond=0)
    midnight = noon - timedelta(hours=12)
    send_on([midnight - timedelta(days=ago) for ago in range(OBSERVED_DAYS, 0, -1)], hour=3)
    return "crm-nightly"


def test_the_overview_names_who_is_late(missed: str, viewer: HtmlClient) -> None:
    assert "token crm-nightly usually comes by" in viewer.get("/").text


def test_a_token_that_was_used_today_or_is_revoked_is_not_late(missed: str, viewer: HtmlClient) -> None:
    used = update(ApiToken).values(last_used_at=now())
    run_in_transaction(lambda session: session.execute(used))
    assert "usually comes by" not in viewer.get("/").text
    run_in_transaction(lambda session: session.execute(update(ApiToken).values(last_used_at=None)))
    revoke_token(missed)
    assert "usually comes by" not in viewer.get("/").text


def test_reverts_do_not_count(app: Flask) -> None:
    send_on(DAYS[:-1])

    def work(session: Session) -> None:
        session.execute(update(ChangeSet).values(reverts=1))

    run_in_transaction(work)
    assert late(23) == []


# Reports to webhooks and metrics


def check(hour: float, zone: str = "UTC") -> int:
    db.session.rollback()
    missed = check_missed_nights(zone, TODAY + timedelta(hours=hour))
    db.session.rollback()
    return missed


def missed_nights(api: Api) -> float:
    return float(re.findall(r"^missed_nights (.*)$", api.client.get("/metrics").text, re.MULTILINE)[0])


def events(receiver: Receiver) -> list[Received]:
    deliver()
    return [received for received in receiver.received if received.json()["type"] == "night.missed"]


def test_webhooks_receive_each_missed_night_once(app: Flask, receiver: Receiver) -> None:
    send_on(DAYS[:-1])
    secret = add_webhook(receiver.url)
    add_webhook(receiver.url, ["membership"])
    assert [check(hour) for hour in (3.9, 4.1, 4.2, 23.9)] == [0, 1, 0, 0]
    assert [check(hour) for hour in (24.1, 28.1, 28.2)] == [0, 1, 0]
    first, second = events(receiver)
    message = first.json()
    last = db.session.scalar(select(func.max(ChangeSet.id)))
    assert message == {
        "type": "night.missed",
        "timestamp": "2026-06-15T04:06:00Z",
        "data": {
            "night": {"usuallyBy": "2026-06-15T03:00:00Z", "lastAt": "2026-06-14T02:45:00Z", "lastChangeSet": str(last)}
        },
    }
    assert second.json()["data"]["night"]["usuallyBy"] == "2026-06-16T03:00:00Z"
    assert is_authentic(secret, first)
    assert "crm-nightly" not in first.body.decode()


def test_metric_falls_when_the_sender_comes_and_at_midnight(app: Flask, api: Api) -> None:
    send_on(DAYS[:-1])
    check(4.1)
    assert missed_nights(api) == 1
    check(24)
    assert missed_nights(api) == 0
    check(28.1)
    assert missed_nights(api) == 1
    send(CRM, TODAY + timedelta(hours=28.5))
    check(28.6)
    assert missed_nights(api) == 0


def test_processes_that_check_at_once_tell_a_night_once(
    app: Flask, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_on(DAYS[:-1])
    add_webhook(receiver.url)
    real, others = run_in_transaction, iter([1])

    def slower(work: Any) -> Any:
        for _other in others:
            assert check(4.1) == 1
        return real(work)

    monkeypatch.setattr(missed_nights_module, "run_in_transaction", slower)
    assert check(4.1) == 0
    assert len(events(receiver)) == 1


@pytest.mark.parametrize(("zone", "hour"), [("UTC", 12), ("Asia/Karachi", 19), ("America/New_York", 4)])
def test_days_are_those_of_the_time_zone(app: Flask, zone: str, hour: int) -> None:
    """At 22:42 by UTC it is 03:42 in Karachi and 18:42 in New York: only by UTC the night begins at noon."""
    send_on(DAYS[:-1], hour=22.7)
    assert [check(23.9, zone), check(24.1, zone)] == [0, 1]
    days = select(MissedNight.day).order_by(MissedNight.day)
    assert db.session.scalars(days).all() == [TODAY + timedelta(hours=hour)]


def test_token_that_was_used_today_has_not_missed_the_night(app: Flask) -> None:
    create_token("crm-nightly")
    send_on(DAYS[:-1])
    used = update(ApiToken).values(last_used_at=TODAY + timedelta(hours=3))
    run_in_transaction(lambda session: session.execute(used))
    assert check(4.1) == 0


def test_background_task_tells_of_missed_nights(app: Flask, missed: str) -> None:
    app.config["TIME_ZONE"] = noon_zone()
    stop = background.Stop()
    stop.set()
    background.watch_nights(stop)
    assert db.session.scalar(select(func.count()).select_from(MissedNight)) == 1
