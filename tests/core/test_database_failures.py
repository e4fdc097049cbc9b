"""A database with other settings, in trouble, or gone: the right data or a clear 503, never a 500."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from psycopg.errors import LockNotAvailable
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext

from app.access.api_tokens import create_token
from app.access.operators import create_operator
from app.core import database
from app.core.database import check_database, db
from app.core.dialects import commit_status, connections
from app.core.errors import UnsupportedDatabase
from app.core.models.change_sets import ChangeSet
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, set_segments
from tests.support.databases import administer, another_database, app_on, on_postgresql
from tests.support.html_client import PASSWORD, HtmlClient, signed_in
from tests.support.tcp_proxy import TcpProxy


@contextmanager
def application(url: str) -> Iterator[Flask]:
    with app_on(url, LOG_FORMAT="json") as app:
        app.testing = True
        yield app


def test_session_settings_do_not_depend_on_the_database(database_urls: dict[str, str]) -> None:
    odd = (
        "DateStyle = 'SQL, DMY'",
        "TimeZone = 'America/Bogota'",
        "search_path = 'pg_catalog'",
        "client_encoding = 'LATIN1'",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "standard_conforming_strings = off",
        "statement_timeout = '2s'",
        "lock_timeout = '2s'",
    )
    with another_database(database_urls["postgresql"], "odd", *odd) as url, application(url) as app:
        flask_migrate.upgrade()
        add_customers("1", name="Łucja 小明", email="a@b.co")
        set_segments("1", GOLD)
        api = Api(app.test_client(), create_token("odd"))
        (found,) = api.get("/api/v3/customers?q=lucja").json["customers"]
        assert (found["name"], found["segments"]) == ("Łucja 小明", GOLD)
        assert found["changedAt"].endswith("Z")
        assert api.client.get("/readyz").status_code == 200
        page = signed_in(app.test_client(), "viewer").get("/customers")
        assert "Łucja 小明" in page.text
        assert db.session.scalar(text("SHOW transaction_isolation")) == "read committed"
        assert db.session.scalar(text("SHOW statement_timeout")) == "30s"


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_database_that_cannot_hold_the_data_is_refused(database_urls: dict[str, str], encoding: str) -> None:
    create = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with another_database(database_urls["postgresql"], encoding.lower(), create=create) as url, application(url) as app:
        with pytest.raises(UnsupportedDatabase, match="ENCODING 'UTF8'"):
            check_database(db.engine)
        ready = app.test_client().get("/readyz")
        assert (ready.status_code, encoding in ready.text) == (503, True)
        Api(app.test_client(), "cs_x").get("/api/customers/segments?document_id=1", status=503, code="UNAVAILABLE")


def test_absent_database_is_not_unsupported() -> None:
    with application("postgresql://nobody@127.0.0.1:1/nothing"):
        check_database(db.engine)


@on_postgresql
def test_read_only_database_is_503_for_writes_and_serves_reads(api: Api, ana: str, editor: HtmlClient) -> None:
    set_segments(ana, SILVER)
    url, name = db.engine.url, db.engine.url.database
    db.session.remove()
    db.engine.dispose()
    administer(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        response = api.replace([{"document_id": ana, "segments": GOLD}], status=503, code="UNAVAILABLE")
        assert int(response.headers["Retry-After"]) > 0
        assert api.get(f"/api/customers/segments?document_id={ana}").json["segments"] == SILVER
        assert ana in editor.get("/customers").text
        editor.post("/bulk-edits", {"document_id": ana, "operation": "clear", "base": "[]", "version": ""}, status=503)
    finally:
        db.session.remove()
        db.engine.dispose()
        administer(
            url.set(query={**url.query, "options": "-c default_transaction_read_only=off"}),
            f"ALTER DATABASE {name} RESET default_transaction_read_only",
        )
    api.replace([{"document_id": ana, "segments": GOLD}])


def terminate_connections() -> None:
    ours = "datname = current_database() AND pid <> pg_backend_pid()"
    administer(db.engine.url, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {ours}")


@on_postgresql
def test_pages_and_readiness_survive_connections_that_the_server_closed(
    api: Api, viewer: HtmlClient, app: Flask
) -> None:
    checked_out = [db.engine.connect() for _ in range(5)]
    for connection in checked_out:
        connection.close()
    db.session.remove()
    terminate_connections()
    assert app.test_client().get("/readyz").status_code == 200
    terminate_connections()
    viewer.get("/customers")
    viewer.get("/")


@on_postgresql
def test_connection_lost_within_a_request_is_503(
    viewer: HtmlClient, monkeypatch: pytest.MonkeyPatch, app: Flask
) -> None:
    from app.pages import customers as page  # noqa: PLC0415 - the module whose call is replaced

    find = page.find_customers

    def find_after_termination(*args: Any, **kwargs: Any) -> Any:
        db.session.execute(text("SELECT 1"))
        terminate_connections()
        return find(*args, **kwargs)

    monkeypatch.setattr(page, "find_customers", find_after_termination)
    viewer.get("/customers", status=503)
    monkeypatch.undo()
    viewer.get("/customers")


@on_postgresql
def test_reads_wait_for_a_lock_no_longer_than_the_busy_timeout(
    api: Api, ana: str, viewer: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the wait: without its limit, the read is 503, too, but only after the limit of all statements."""
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_MS", 100)
    monkeypatch.setattr(database, "MAX_ATTEMPTS", 1)
    db.session.remove()
    db.engine.dispose()
    api.get(f"/api/customers/segments?document_id={ana}")
    locker = create_engine(db.engine.url)
    with locker.begin() as connection, database_errors() as errors:
        connection.execute(text("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"))
        api.get(f"/api/customers/segments?document_id={ana}", status=503, code="UNAVAILABLE")
        viewer.get("/customers", status=503)
    assert set(errors) == {LockNotAvailable}
    locker.dispose()
    monkeypatch.undo()
    db.session.remove()
    db.engine.dispose()
    viewer.get("/customers")


@contextmanager
def database_errors() -> Iterator[list[type[BaseException]]]:
    """Yield the list of the kinds of errors of the driver that occur meanwhile."""
    errors: list[type[BaseException]] = []

    def note(context: ExceptionContext) -> None:
        errors.append(type(context.original_exception))

    event.listen(db.engine, "handle_error", note)
    try:
        yield errors
    finally:
        event.remove(db.engine, "handle_error", note)


@pytest.fixture
def proxied(database_urls: dict[str, str], apps: dict[str, Flask], app: Flask) -> Iterator[tuple[Flask, TcpProxy]]:
    """Yield the application on the test's PostgreSQL, behind a network that can fail."""
    url = make_url(database_urls["postgresql"])
    with TcpProxy(url) as proxy, application(proxy.url.render_as_string(hide_password=False)) as through:
        yield through, proxy


@on_postgresql
@pytest.mark.parametrize("applied", [True, False])
def test_lost_response_to_commit_is_looked_up_before_a_retry(
    proxied: tuple[Flask, TcpProxy], ana: str, applied: bool
) -> None:
    """A COMMIT that arrived is not done again, and reports what it did; one that did not arrive is repeated."""
    app, proxy = proxied
    api = Api(app.test_client(), create_token("crm"))
    api.replace([{"document_id": ana, "segments": SILVER}])
    proxy.cut_at(b"COMMIT", deliver=applied)
    response = api.replace([{"document_id": ana, "segments": GOLD}], "?report=true")
    assert response.json["updatedCustomers"] == [ana]
    assert response.json["report"]["changed"] == 1
    assert response.headers["Change-Set"] == response.json["report"]["changeSet"]
    assert proxy.cuts == 1
    db.session.rollback()
    assert all_segments() == {ana: GOLD}
    assert db.session.query(ChangeSet).filter(ChangeSet.changed == 1).count() == 2


@on_postgresql
def test_silent_server_is_503_and_the_service_recovers(
    proxied: tuple[Flask, TcpProxy], ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, proxy = proxied
    api = Api(app.test_client(), create_token("crm"))
    api.replace([{"document_id": ana, "segments": SILVER}])
    monkeypatch.setattr(connections, "ANSWER_TIMEOUT_S", 0.3)
    monkeypatch.setattr(commit_status, "COMMIT_LOOKUP_S", 0.3)
    monkeypatch.setattr(database, "MAX_ATTEMPTS", 1)
    proxy.silent = True
    api.get(f"/api/customers/segments?document_id={ana}", status=503, code="UNAVAILABLE")
    proxy.silent = False
    monkeypatch.undo()
    api.replace([{"document_id": ana, "segments": GOLD}])


@pytest.fixture
def own_file(tmp_path: Path) -> Iterator[tuple[Flask, Path]]:
    """Yield the application on an SQLite file of its own."""
    path = tmp_path / "own.db"
    with application(f"sqlite:///{path}") as app:
        flask_migrate.upgrade()
        add_customers("1", name="Ana")
        create_operator("viewer@example.com", "viewer", PASSWORD)
        yield app, path


def remove(path: Path) -> None:
    db.session.remove()
    db.engine.dispose()
    path.unlink()


def overwrite(path: Path) -> None:
    db.session.remove()
    db.engine.dispose()
    for part in path.parent.glob(f"{path.name}-*"):
        part.unlink()
    path.write_bytes(b"this is not a database" * 1000)


@pytest.mark.parametrize("damage", [remove, overwrite])
def test_lost_database_file_is_503(own_file: tuple[Flask, Path], damage: Callable[[Path], None]) -> None:
    app, path = own_file
    api = Api(app.test_client(), create_token("crm"))
    operator = HtmlClient(app.test_client(), "viewer@example.com")
    operator.sign_in()
    damage(path)
    api.get("/api/customers/segments?document_id=1", status=503, code="UNAVAILABLE")
    for response in (operator.client.get("/customers"), app.test_client().get("/readyz")):
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
