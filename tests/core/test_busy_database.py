"""The database is busy, in a deadlock, or away: tried again, and past that a clear 503. Nothing is half done."""

import threading
import time
from typing import Any

import psycopg
import pytest
from flask import Flask

from app import create_app
from app.core import database
from app.core.database import db
from app.core.dialects import connections, sqlite_lock
from bench.servers.gunicorn import free_port
from tests.support.another_writer import another_writer
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, set_segments


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr(database, "MAX_ATTEMPTS", 2)


def test_write_past_the_busy_timeout_is_503(api: Api, ana: str, short_timeouts: None) -> None:
    set_segments(ana, SILVER)
    with another_writer(ana):
        response = api.replace([{"document_id": ana, "segments": GOLD}], status=503, code="UNAVAILABLE")
    assert int(response.headers["Retry-After"]) > 0
    assert all_segments() == {ana: SILVER}
    api.replace([{"document_id": ana, "segments": GOLD}])


def test_reads_do_not_wait_for_writers(api: Api, ana: str) -> None:
    api.get(f"/api/customers/segments?document_id={ana}")
    with another_writer(ana):
        started = time.monotonic()
        api.get(f"/api/customers/segments?document_id={ana}")
        assert time.monotonic() - started < connections.BUSY_TIMEOUT_MS / 1000


def test_waits_for_another_writer(api: Api, ana: str) -> None:
    with another_writer(ana) as writer:
        release = threading.Timer(0.5, writer.execute, ["COMMIT"])
        release.start()
        assert api.updated([{"document_id": ana, "segments": GOLD}]) == [ana]
        release.join()


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_a_waiting_writer_tries_again_within_the_pause_of_a_job(
    ana: str, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with another_writer(ana) as job:
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                job.execute("COMMIT")

        monkeypatch.setattr(sqlite_lock.time, "sleep", wait)
        set_segments(ana, GOLD)
    assert len(waits) == 3
    assert max(waits) * 2 < sqlite_lock.PAUSE_S
    assert all_segments() == {ana: GOLD}


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_tries_again_after_a_deadlock(api: Api, app: Flask) -> None:
    add_customers("1", "2")
    with another_writer("2") as writer:
        answers: list[Any] = []
        entries = [{"document_id": document_id, "segments": GOLD} for document_id in ("2", "1")]
        caller = threading.Thread(target=lambda: answers.append(Api(app.test_client(), token).updated(entries)))
        token = api.headers["Authorization"].removeprefix("Bearer ")
        caller.start()
        time.sleep(0.5)  # it holds 1 by now, and waits for 2
        writer.execute("UPDATE customers SET name = 'Ana' WHERE document_id = '1'")  # waits, until the caller is undone
        writer.commit()
        caller.join(timeout=20)
    assert answers == [["2", "1"]]
    assert all_segments() == {"1": GOLD, "2": GOLD}


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_a_connection_that_the_server_closed_is_replaced(api: Api, ana: str) -> None:
    api.get(f"/api/customers/segments?document_id={ana}")
    db.session.remove()
    with psycopg.connect(db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)) as writer:
        ours = "datname = current_database() AND pid <> pg_backend_pid()"
        writer.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {ours}")
    api.get(f"/api/customers/segments?document_id={ana}")
    assert api.updated([{"document_id": ana, "segments": GOLD}]) == [ana]


def test_a_database_that_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    client = create_app({"DATABASE_URL": url, "SECRET_KEY": "only-for-tests-0123456789"}).test_client()
    Api(client, "cs_x").get("/api/customers/segments?document_id=1", status=503, code="UNAVAILABLE")
    assert "Connection refused" in capsys.readouterr().err
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    with client.session_transaction() as session:
        session["sign_in"] = "unknown"
    page = client.get("/")
    assert page.status_code == 503
    assert page.mimetype == "text/html"


def test_an_unmigrated_database_is_not_ready(tmp_path: Any) -> None:
    app = create_app({"DATABASE_URL": f"sqlite:///{tmp_path / 'empty.db'}", "SECRET_KEY": "only-for-tests-0123456789"})
    response = app.test_client().get("/readyz")
    assert response.status_code == 503
    assert "flask db upgrade" in response.text
    result = app.test_cli_runner().invoke(args=["tokens", "list"])
    assert result.exit_code == 2
    assert "flask db upgrade" in result.stderr
    with app.app_context():
        db.engine.dispose()
