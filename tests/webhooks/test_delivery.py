"""Webhooks: every change set is told, in order, once, signed, whatever fails meanwhile."""

import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.background import deliver_webhooks
from app.core.changes.replace_segments import open_change_set, replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate
from app.core.database import db
from app.core.errors import Unavailable
from app.core.history.retention import prune
from app.core.models.change_sets import ChangeSet
from app.webhooks import models, queue
from app.webhooks.models import (
    Webhook,
    WebhookDelivery,
    create_webhook,
    get_webhook,
    list_deliveries,
    redeliver,
    rotate_webhook,
    set_paused,
)
from app.webhooks.queue import claim_next, complete, retry_delay
from app.webhooks.signing import new_secret
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, set_segments
from tests.support.gunicorn import ROOT, serving
from tests.support.query_log import capture_queries
from tests.support.webhook_receiver import Received, Receiver, receiving

STOP = threading.Event()


@pytest.fixture
def receiver(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setitem(app.config, "WEBHOOK_ALLOWED_HOSTS", frozenset([receiver.address]))
        yield receiver


@pytest.fixture
def secret(receiver: Receiver) -> str:
    """A webhook that leads to the receiver: its secret."""
    return add(receiver.url)


def add(url: str) -> str:
    salt, digest, secret = new_secret("test")
    create_webhook(url, salt, digest)
    return secret


def change(document_id: str, times: int = 1) -> None:
    for n in range(times):
        set_segments(document_id, [{"type": "n", "value": f"{n} {time.perf_counter_ns()}"}])


def deliver(most: int = 100) -> int:
    """Do the background's duty until nothing is due: how many were sent."""
    for sent in range(most):
        db.session.remove()
        if not deliver_webhooks(STOP):
            db.session.remove()
            return sent
    raise AssertionError(f"more than {most}")


def at_once() -> None:
    """As if the pause before the next attempt were over."""
    db.session.remove()
    with db.engine.begin() as connection:
        connection.execute(update(WebhookDelivery).values(next_attempt_at=models.now()))


def states() -> list[tuple[str, int, str | None]]:
    db.session.rollback()
    return [(one.state, one.attempts, one.last_answer) for one in reversed(list_deliveries(1, 100))]


def is_ours(secret: str, received: Received) -> bool:
    """As docs/webhooks.md tells receivers to find out."""
    (sample,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(sample, names)
    headers = {name.lower(): value for name, value in received.headers.items()}
    return bool(names["is_ours"](secret, headers, received.body))


def test_it_works(api: Api, ana: str, receiver: Receiver, secret: str) -> None:
    api.replace([{"document_id": ana, "segments": GOLD}])
    assert deliver() == 1
    (received,) = receiver.received
    assert received.path == "/hook?shop=1"
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["webhook-id"] == received.json()["id"]
    assert received.json() == {
        "id": received.json()["id"],
        "type": "change_set",
        "changeSet": api.get("/api/v3/change-sets/1").json,
    }
    assert received.json()["changeSet"]["actor"] == "token crm-nightly"
    assert ana not in received.body.decode()
    assert states() == [("delivered", 1, "answered 204")]
    assert deliver() == 0


def test_the_sample_of_the_documents_verifies_it(ana: str, receiver: Receiver, secret: str) -> None:
    change(ana)
    deliver()
    (received,) = receiver.received
    assert is_ours(secret, received)
    assert not is_ours(new_secret("test")[2], received)
    received.body += b" "
    assert not is_ours(secret, received)


def test_what_changed_before_is_not_told(ana: str, receiver: Receiver) -> None:
    change(ana)
    add(receiver.url)
    change(ana)
    assert deliver() == 1
    assert receiver.accepted() == ["2"]


def test_it_fails_nine_times_and_is_told_once_in_order(ana: str, receiver: Receiver, secret: str) -> None:
    receiver.answers = [500, 503, 404, 302, 500, 500, 500, 500, 500]
    change(ana, 3)
    for attempt in range(1, 10):
        assert deliver() == 1, "neither this one nor the next is sent before its time"
        assert states() == [("waiting", attempt, f"answered {receiver.received[-1].status}")]
        at_once()
    assert deliver() == 3
    assert receiver.accepted() == ["1", "2", "3"]
    assert len({one.headers["webhook-id"] for one in receiver.received[:10]}) == 1
    assert all(is_ours(secret, one) for one in receiver.received)
    assert [state[:2] for state in states()] == [("delivered", 10), ("delivered", 1), ("delivered", 1)]
    assert {one.path for one in receiver.received} == {"/hook?shop=1"}, "redirects are not followed"


def test_it_is_tried_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    for chance in (1, 1.5):
        monkeypatch.setattr(queue.random, "uniform", lambda *_, chance=chance: chance)
        pauses = [retry_delay(attempts).total_seconds() / chance for attempts in (1, 2, 3, 10, 11, 12, 1000)]
        assert pauses == [5, 10, 20, 2560, 3600, 3600, 3600]


def test_after_a_day_it_is_given_up_and_the_next_has_its_turn(
    ana: str, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers = [500, 500]
    change(ana, 2)
    deliver()
    real = queue.now
    monkeypatch.setattr(queue, "now", lambda: real() + timedelta(hours=24, seconds=1))
    deliver()
    assert states() == [("failed", 2, "answered 500"), ("delivered", 1, "answered 204")]
    assert receiver.accepted() == ["2"]


def test_several_processes_never_send_twice(app: Flask, ana: str, receiver: Receiver, secret: str) -> None:
    add(receiver.url)
    change(ana, 10)

    def process() -> None:
        quiet = 0
        with app.app_context():
            while quiet < 20:
                try:
                    quiet = 0 if deliver_webhooks(STOP) else quiet + 1
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
    ids = [one.headers["webhook-id"] for one in receiver.received]
    assert len(ids) == len(set(ids)) == 20
    by_webhook: dict[int, list[int]] = {}
    for delivery in db.session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.last_attempt_at)):
        by_webhook.setdefault(delivery.webhook_id, []).append(delivery.change_set_id)
    assert by_webhook == {1: list(range(1, 11)), 2: list(range(1, 11))}


def test_while_one_sends_nobody_else_does_until_the_lease_ends(
    ana: str, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(ana, 2)
    died = claim_next()
    assert died is not None
    assert claim_next() is None
    real = queue.now
    monkeypatch.setattr(queue, "now", lambda: real() + queue.LEASE + timedelta(seconds=1))
    assert deliver() == 2
    assert receiver.received[0].headers["webhook-id"] == died.delivery.message_id
    complete(died, False, "too late to tell")
    assert states() == [("delivered", 1, "answered 204")] * 2


def test_one_that_is_away_does_not_hold_up_the_others(ana: str, receiver: Receiver) -> None:
    add("http://127.0.0.1:9/closed")
    add(receiver.url)
    change(ana, 3)
    deliver()
    assert receiver.accepted() == ["1", "2", "3"]
    assert states()[0][0] == "waiting"


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_none_is_skipped_that_commits_late(app: Flask, receiver: Receiver, secret: str) -> None:
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
    positions = {one.id: one.position for one in db.session.scalars(select(ChangeSet))}
    assert positions[late.id] < max(positions.values())
    assert receiver.accepted() == [str(id_) for id_ in sorted(positions, key=lambda id_: positions[id_])]


def test_a_pause_loses_nothing(ana: str, receiver: Receiver, secret: str) -> None:
    set_paused(1, True)
    change(ana, 3)
    assert deliver() == 0
    set_paused(1, False)
    assert deliver() == 3
    assert receiver.accepted() == ["1", "2", "3"]


def test_what_was_pruned_meanwhile_is_not_told(ana: str, receiver: Receiver, secret: str) -> None:
    receiver.answers = [500]
    change(ana)
    deliver()
    prune(models.now())
    change(ana)
    at_once()
    deliver()
    assert states()[0] == ("failed", 2, "the change set is no longer on record")
    assert receiver.accepted() == ["2"]


def test_sending_again_is_one_attempt_and_nobody_waits_for_it(ana: str, receiver: Receiver, secret: str) -> None:
    change(ana, 2)
    deliver()
    redeliver(1, 1)
    receiver.answers = [500]
    change(ana)
    deliver()
    assert states() == [("failed", 2, "answered 500"), *[("delivered", 1, "answered 204")] * 2]
    redeliver(1, 1)
    deliver()
    assert states()[0] == ("delivered", 3, "answered 204")
    assert receiver.accepted() == ["1", "2", "3", "1"]
    assert receiver.received[0].headers["webhook-id"] == receiver.received[-1].headers["webhook-id"]


def test_a_rotation_signs_with_both_for_a_while(
    ana: str, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    salt, digest, new = new_secret("test")
    rotate_webhook(1, salt, digest, timedelta(hours=1))
    change(ana)
    deliver()
    assert is_ours(secret, receiver.received[0])
    assert is_ours(new, receiver.received[0])
    real = models.now
    monkeypatch.setattr(models, "now", lambda: real() + timedelta(hours=1, seconds=1))
    change(ana)
    deliver()
    assert not is_ours(secret, receiver.received[1])
    assert is_ours(new, receiver.received[1])


def test_with_another_secret_key_nothing_is_signed_wrongly(
    app: Flask, ana: str, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "SECRET_KEY", "another")
    change(ana)
    deliver()
    assert receiver.received == []
    assert "rotate the secret" in str(states()[0][2])
    salt, digest, new = new_secret("another")
    rotate_webhook(1, salt, digest, timedelta(0))
    at_once()
    deliver()
    assert is_ours(new, receiver.received[0])


def test_the_secret_is_not_in_the_database(receiver: Receiver, secret: str) -> None:
    assert secret not in str(vars(get_webhook(1)))
    assert secret.removeprefix("whsec_") not in str(vars(get_webhook(1)))


def test_looking_for_work_in_vain_is_one_query(ana: str, receiver: Receiver, secret: str) -> None:
    change(ana)
    deliver()
    with capture_queries() as statements:
        assert not deliver_webhooks(STOP)
    statements = [statement for statement in statements if not statement.startswith("BEGIN")]
    assert len(statements) == 1


def test_old_deliveries_are_forgotten(
    ana: str, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MAX_KEPT", 3)
    change(ana, 8)
    deliver()
    assert db.session.scalar(select(func.count()).select_from(WebhookDelivery)) == 4, "three, and the one under way"


def test_a_deleted_webhook_leaves_nothing(ana: str, receiver: Receiver, secret: str) -> None:
    change(ana)
    turn = claim_next()
    assert turn is not None
    models.delete_webhook(1)
    complete(turn, True, "answered 200")
    for table in (Webhook, WebhookDelivery):
        assert db.session.scalar(select(func.count()).select_from(table)) == 0


def test_under_gunicorn_it_survives_a_restart(
    app: Flask, ana: str, receiver: Receiver, secret: str, tmp_path: Path
) -> None:
    """Nine failures, a restart in between, then all of it once and in order; and no URL in the log."""
    receiver.answers = [500] * 9
    environ = {
        "DATABASE_URL": app.config["DATABASE_URL"],
        "SECRET_KEY": "test",
        "WEBHOOK_ALLOWED_HOSTS": ":".join(map(str, receiver.address)),
        "LOG_FORMAT": "json",
    }
    change(ana, 3)
    logs = []
    for n, wanted in enumerate((5, 12)):
        with serving(environ, tmp_path / f"log{n}") as server:
            until = time.monotonic() + 40
            while len(receiver.received) < wanted and time.monotonic() < until:
                at_once()
                time.sleep(0.1)
            if wanted == 12:
                while states()[-1][0] != "delivered" and time.monotonic() < until:
                    time.sleep(0.1)
        logs.append(server.log.read_text())
    assert receiver.accepted() == ["1", "2", "3"]
    assert len(receiver.received) == 12
    assert all(is_ours(secret, one) for one in receiver.received)
    assert '"event": "webhook"' in logs[1]
    assert "/hook" not in "".join(logs)
    assert "background_task_failed" not in "".join(logs)
