"""Deliveries of webhooks: every change set, in order, signed, with retries."""

import threading
import time
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.background import deliver_webhooks
from app.core.changes.change_set_builder import open_change_set
from app.core.changes.replace_segments import replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate
from app.core.database import db
from app.core.errors import Unavailable
from app.core.history.retention import prune
from app.core.models.change_sets import ChangeSet
from app.webhooks import models, queue
from app.webhooks.models import (
    Webhook,
    WebhookDelivery,
    get_webhook,
    list_deliveries,
    redeliver,
    update_webhook,
)
from app.webhooks.queue import AttemptResult, claim_next, complete, retry_delay
from bench.servers.gunicorn import serving
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, set_segments
from tests.support.query_log import capture_queries
from tests.support.webhook_receiver import Receiver
from tests.support.webhooks import (
    NEVER_STOPS,
    add_webhook,
    change,
    deliver,
    end_retry_delay,
    is_authentic,
    states,
)


def describe(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def test_message_contains_the_totals_and_no_personal_data(api: Api, ana: str, receiver: Receiver, secret: str) -> None:
    api.replace([{"document_id": ana, "segments": GOLD}])
    assert deliver() == 1
    (received,) = receiver.received
    assert received.path == "/hook?shop=1"
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["webhook-id"].startswith("msg_")
    described = api.get("/api/v3/change-sets/1").json
    assert described is not None
    assert described["actor"] == "token crm-nightly"
    summary = {name: value for name, value in described.items() if name not in ("actor", "note")}
    assert received.json() == {"type": "change_set", "timestamp": described["at"], "data": {"changeSet": summary}}
    assert ana not in received.body.decode()
    assert states() == [("delivered", 1, "204 No Content")]
    assert deliver() == 0


def test_gone_receiver_pauses_the_webhook(ana: str, receiver: Receiver, secret: str) -> None:
    receiver.answers = [410]
    change(ana, 2)
    assert deliver() == 1
    assert states() == [("failed", 1, "410 Gone")]
    assert get_webhook(1).paused_at is not None
    update_webhook(1, paused=False)
    assert deliver() == 1
    assert receiver.accepted() == ["2"]


@pytest.mark.parametrize("value", ["7200", "http date", "nonsense", "-5"])
def test_retry_after_of_the_receiver_is_respected(ana: str, receiver: Receiver, secret: str, value: str) -> None:
    at = models.now() + timedelta(hours=2)
    receiver.answers, receiver.retry_after = [503], format_datetime(at, usegmt=True) if value == "http date" else value
    change(ana)
    deliver()
    db.session.rollback()
    (delivery,) = list_deliveries(1, 1)
    waits = (delivery.next_attempt_at - delivery.last_attempt_at).total_seconds() if delivery.last_attempt_at else 0
    assert (waits > 7_000) == (value in ("7200", "http date"))


def test_changes_before_the_webhook_are_not_sent(ana: str, receiver: Receiver) -> None:
    change(ana)
    add_webhook(receiver.url)
    change(ana)
    assert deliver() == 1
    assert receiver.accepted() == ["2"]


def test_delivery_is_retried_until_accepted_and_in_order(ana: str, receiver: Receiver, secret: str) -> None:
    receiver.answers = [500, 503, 404, 302, 500, 500, 500, 500, 500]
    change(ana, 3)
    for attempt in range(1, 10):
        assert deliver() == 1, "neither this one nor the next is sent before its time"
        assert states() == [("pending", attempt, describe(receiver.received[-1].status))]
        end_retry_delay()
    assert deliver() == 3
    assert receiver.accepted() == ["1", "2", "3"]
    assert len({request.headers["webhook-id"] for request in receiver.received[:10]}) == 1
    assert all(is_authentic(secret, request) for request in receiver.received)
    assert [state[:2] for state in states()] == [("delivered", 10), ("delivered", 1), ("delivered", 1)]
    assert {request.path for request in receiver.received} == {"/hook?shop=1"}, "redirects are not followed"


def test_retry_delay_doubles_up_to_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    for chance in (1, 1.5):
        monkeypatch.setattr(queue.random, "uniform", lambda *_, chance=chance: chance)
        pauses = [retry_delay(attempts).total_seconds() / chance for attempts in (1, 2, 3, 10, 11, 12, 1000)]
        assert pauses == [5, 10, 20, 2560, 3600, 3600, 3600]


def test_delivery_fails_after_a_day_and_the_next_is_sent(
    ana: str, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers = [500, 500]
    change(ana, 2)
    deliver()
    real = queue.now
    monkeypatch.setattr(queue, "now", lambda: real() + timedelta(hours=24, seconds=1))
    deliver()
    assert states() == [("failed", 2, "500 Internal Server Error"), ("delivered", 1, "204 No Content")]
    assert receiver.accepted() == ["2"]


def test_concurrent_processes_send_each_delivery_once(app: Flask, ana: str, receiver: Receiver, secret: str) -> None:
    add_webhook(receiver.url)
    change(ana, 10)

    def process() -> None:
        quiet = 0
        with app.app_context():
            while quiet < 20:
                try:
                    quiet = 0 if deliver_webhooks(NEVER_STOPS) else quiet + 1
                except Unavailable:
                    pass
                finally:
                    db.session.remove()
                time.sleep(0.002)

    threads = [threading.Thread(target=process) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    ids = [request.headers["webhook-id"] for request in receiver.received]
    assert len(ids) == len(set(ids)) == 20
    by_webhook: dict[int, list[int]] = {}
    for delivery in db.session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.last_attempt_at)):
        by_webhook.setdefault(delivery.webhook_id, []).append(delivery.change_set_id)
    assert by_webhook == {1: list(range(1, 11)), 2: list(range(1, 11))}


def test_claimed_webhook_is_free_after_the_lease_ends(
    ana: str, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(ana, 2)
    died = claim_next()
    assert died is not None
    assert claim_next() is None
    with db.engine.begin() as connection:
        connection.execute(update(Webhook).values(leased_until=models.now()))
    assert deliver() == 2
    assert receiver.received[0].headers["webhook-id"] == died.delivery.message_id
    complete(died, AttemptResult(False, "too late"))
    assert states() == [("delivered", 1, "204 No Content")] * 2


def test_unavailable_receiver_does_not_delay_others(ana: str, receiver: Receiver) -> None:
    add_webhook("http://127.0.0.1:9/closed")
    add_webhook(receiver.url)
    change(ana, 3)
    deliver()
    assert receiver.accepted() == ["1", "2", "3"]
    assert states()[0][0] == "pending"


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_change_set_that_commits_late_is_not_skipped(app: Flask, receiver: Receiver, secret: str) -> None:
    """A change set takes its position before it can be seen; one with a higher position commits first."""
    add_customers("1", "2")
    with db.engine.connect() as connection, Session(connection) as session:
        with open_change_set(session, TESTER) as late:
            replace_segments_in(late, PreparedUpdate.of({"1": GOLD}))
        set_segments("2", SILVER)
        committing = threading.Timer(0.5, session.commit)
        committing.start()
        assert deliver() == 2
        committing.join()
    positions = {change_set.id: change_set.position for change_set in db.session.scalars(select(ChangeSet))}
    assert positions[late.id] < max(positions.values())
    assert receiver.accepted() == [str(id_) for id_ in sorted(positions, key=lambda id_: positions[id_])]


def test_changes_during_a_pause_are_sent_after_it(ana: str, receiver: Receiver, secret: str) -> None:
    update_webhook(1, paused=True)
    change(ana, 3)
    assert deliver() == 0
    update_webhook(1, paused=False)
    assert deliver() == 3
    assert receiver.accepted() == ["1", "2", "3"]


def test_pruned_change_set_fails_its_delivery(ana: str, receiver: Receiver, secret: str) -> None:
    receiver.answers = [500]
    change(ana)
    deliver()
    prune(models.now())
    change(ana)
    end_retry_delay()
    deliver()
    assert states()[0] == ("failed", 2, "the change set has been deleted")
    assert receiver.accepted() == ["2"]


def test_resend_is_one_attempt_and_delays_nothing(ana: str, receiver: Receiver, secret: str) -> None:
    change(ana, 2)
    deliver()
    redeliver(1, 1)
    receiver.answers = [500]
    change(ana)
    deliver()
    assert states() == [("failed", 2, "500 Internal Server Error"), *[("delivered", 1, "204 No Content")] * 2]
    redeliver(1, 1)
    deliver()
    assert states()[0] == ("delivered", 3, "204 No Content")
    assert receiver.accepted() == ["1", "2", "3", "1"]
    assert receiver.received[0].headers["webhook-id"] == receiver.received[-1].headers["webhook-id"]


def test_idle_queue_costs_one_query(ana: str, receiver: Receiver, secret: str) -> None:
    change(ana)
    deliver()
    with capture_queries() as statements:
        assert not deliver_webhooks(NEVER_STOPS)
    statements = [statement for statement in statements if not statement.startswith("BEGIN")]
    assert len(statements) == 1


def test_old_deliveries_are_deleted(ana: str, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAX_KEPT", 3)
    change(ana, 8)
    deliver()
    assert db.session.scalar(select(func.count()).select_from(WebhookDelivery)) == 4, "three, and the one under way"


def test_deleted_webhook_leaves_no_rows(ana: str, receiver: Receiver, secret: str) -> None:
    change(ana)
    claim = claim_next()
    assert claim is not None
    models.delete_webhook(1)
    complete(claim, AttemptResult(True, "200 OK"))
    for table in (Webhook, WebhookDelivery):
        assert db.session.scalar(select(func.count()).select_from(table)) == 0


def test_deliveries_continue_after_a_restart_of_gunicorn(
    app: Flask, ana: str, receiver: Receiver, secret: str, tmp_path: Path
) -> None:
    """Nine failures, a restart in between, then all of it once and in order; and no URL in the log."""
    receiver.answers = [500] * 9
    environ = {
        "DATABASE_URL": app.config["DATABASE_URL"],
        "SECRET_KEY": "only-for-tests-0123456789",
        "WEBHOOK_ALLOWED_HOSTS": ":".join(map(str, receiver.address)),
        "LOG_FORMAT": "json",
    }
    change(ana, 3)
    logs = []
    for n, expected in enumerate((5, 12)):
        with serving(environ, tmp_path / f"log{n}") as server:
            until = time.monotonic() + 40
            while len(receiver.received) < expected and time.monotonic() < until:
                end_retry_delay()
                time.sleep(0.1)
            if expected == 12:
                while states()[-1][0] != "delivered" and time.monotonic() < until:
                    time.sleep(0.1)
        logs.append(server.log.read_text())
    assert receiver.accepted() == ["1", "2", "3"]
    assert len(receiver.received) == 12
    assert all(is_authentic(secret, request) for request in receiver.received)
    assert '"event": "webhook"' in logs[1]
    assert "/hook" not in "".join(logs)
    assert "background_task_failed" not in "".join(logs)
