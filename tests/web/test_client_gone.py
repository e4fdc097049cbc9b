"""When a client closes its connection, the work for it ends."""

import threading
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app.access.api_tokens import create_token
from app.core.database import db
from app.web.cancellation import Cancellation
from app.web.server_environ import CANCELLATION
from bench.servers.gunicorn import SECRET_KEY, serving, wait_for
from tests.support.raw_http import connect, head

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def test_a_cancelled_query_ends(app: Flask) -> None:
    cancellation = Cancellation()
    with app.test_request_context("/", environ_base={CANCELLATION: cancellation}), db.engine.connect() as connection:
        timer = threading.Timer(0.5, cancellation.cancel)
        timer.start()
        with pytest.raises(Exception, match=r"interrupt|cancel"):
            connection.execute(text(ENDLESS))
        timer.join()


def test_a_query_of_another_request_is_not_cancelled(app: Flask) -> None:
    cancellation = Cancellation()
    with app.test_request_context("/", environ_base={CANCELLATION: cancellation}), db.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    cancellation.cancel()
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)  # SQLite does not show the queries of others
def test_a_query_ends_when_its_client_is_gone(app: Flask, tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {create_token('crm')}"}
    environ = {"DATABASE_URL": app.config["DATABASE_URL"], "SECRET_KEY": SECRET_KEY, "WEB_CONCURRENCY": "1"}

    def waiting() -> int:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%customers%'"
        with db.engine.connect() as connection:
            return int(connection.execute(text(query)).scalar_one())

    with serving(environ, tmp_path / "log") as server, db.engine.connect() as lock:
        lock.execute(text("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"))
        with connect(server.port) as connection:
            connection.sendall(head("GET", "/api/v3/customers/1/segments", headers))
            wait_for(lambda: waiting() == 1)
        wait_for(lambda: waiting() == 0)
        lock.rollback()
