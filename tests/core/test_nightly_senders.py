"""Who usually comes every night, and is late today."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.access.api_tokens import ApiToken, create_token
from app.core.changes.replace_segments import replace_segments
from app.core.database import db, now, run_in_transaction
from app.core.history.nightly_senders import OBSERVED_DAYS, late_senders
from app.core.models.change_sets import Actor, ChangeSet
from app.jobs.revoked_tokens import revoke_token
from tests.support.customers import GOLD, SILVER, add_customers
from tests.support.dates import date
from tests.support.html_client import HtmlClient

TODAY = datetime(2026, 6, 15, tzinfo=UTC)
DAYS = [TODAY - timedelta(days=ago) for ago in range(OBSERVED_DAYS, -1, -1)]
CRM = Actor("token crm-nightly", "api")


def come(actor: Actor, at: datetime) -> None:
    """Leave a change set of this moment."""
    change_set_id = None
    for segments in (GOLD, SILVER):
        change_set_id = change_set_id or replace_segments({"a": segments}, actor).change_set_id
    assert change_set_id
    date(change_set_id, at)


def come_on(days: list[datetime], actor: Actor = CRM, hour: float = 2.7) -> None:
    add_customers("a")
    for number, day in enumerate(days):
        come(actor, day + timedelta(hours=hour, minutes=number % 5))


def late(hour: float) -> list[tuple[str, str]]:
    db.session.rollback()
    found = late_senders(DAYS, TODAY + timedelta(hours=hour))
    return [(sender.actor, f"{sender.usually_by:%H:%M}") for sender in found]


def test_sender_of_every_night_is_late_an_hour_after_its_usual_time(app: Flask) -> None:
    come_on(DAYS[:-1])
    assert late(3.9) == []
    assert late(4.1) == [("token crm-nightly", "03:00")]
    come(CRM, TODAY + timedelta(hours=4.5))
    assert late(5) == []


def test_missed_nights_and_a_late_one_do_not_change_what_is_usual(app: Flask) -> None:
    come_on(DAYS[:11])
    come(CRM, DAYS[11] + timedelta(hours=15))
    assert late(4.1) == [("token crm-nightly", "03:00")]


@pytest.mark.parametrize(
    "days", [pytest.param(DAYS[4:-1], id="new"), pytest.param([d for d in DAYS[:-1] if d.weekday() < 5], id="weekdays")]
)
def test_others_are_not_expected_every_night(app: Flask, days: list[datetime]) -> None:
    come_on(days)
    assert late(23) == []


def test_operators_and_those_who_send_at_any_time_are_not_expected(app: Flask) -> None:
    come_on(DAYS[:-1], Actor("ana@example.com", "page"))
    for number, day in enumerate(DAYS[:-1]):
        come(CRM, day + timedelta(hours=number % 6 * 4))
    assert late(23) == []


@pytest.fixture
def missed(viewer: HtmlClient) -> str:
    """A token that came at midnight on each day, and not today; its name. Where the viewer is, it is about noon."""
    create_token("crm-nightly")
    ahead = 12 - now().hour
    viewer.client.set_cookie("time_zone", f"Etc/GMT{-ahead:+d}")  # with the sign of POSIX
    noon = now().replace(minute=0, second=0, microsecond=0)
    midnight = noon - timedelta(hours=12)
    come_on([midnight - timedelta(days=ago) for ago in range(OBSERVED_DAYS, 0, -1)], hour=-0.0)
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
    come_on(DAYS[:-1])

    def work(session: Session) -> None:
        session.execute(update(ChangeSet).values(reverts=1))

    run_in_transaction(work)
    assert late(23) == []
