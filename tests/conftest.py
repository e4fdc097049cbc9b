"""Both databases, an application on each, and clients that check what every answer must have."""

import os
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from argon2 import PasswordHasher, profiles
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser
from sqlalchemy import create_engine, make_url, text
from werkzeug.test import TestResponse

from app import create_app
from app.access import operators
from app.access.api_tokens import create_token
from app.core.changes.profiles import save_customers
from app.core.changes.replace_segments import replace_segments
from app.core.database import db, in_transaction
from app.core.models.change_sets import Actor
from app.core.models.customers import Customer
from tests import postgresql
from tests.browser import EDITOR, WAYS, Visit, chromium, shop, visiting
from tests.gunicorn import Server
from tests.pages import Operator, signed_in

SHARED = Path(__file__).parent.parent.parent / "shared"

Segments = list[dict[str, str]]
GOLD: Segments = [{"type": "membership", "value": "GOLD"}]
SILVER: Segments = [{"type": "membership", "value": "SILVER"}]
TESTER = Actor("tester", "test")

# Hashing a password takes long on purpose, and hundreds of operators sign in here.
operators._hasher = PasswordHasher.from_parameters(profiles.CHEAPEST)


# A real PostgreSQL, one for all workers: TEST_DATABASE_URL, or one from the development requirements.


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and "TEST_DATABASE_URL" not in os.environ:
        server = postgresql.running()
        os.environ["TEST_DATABASE_URL"] = server.__enter__()
        config.add_cleanup(lambda: server.__exit__(None, None, None))


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
    return {
        "sqlite": f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.db'}",
        "postgresql": server.set(database=name).render_as_string(hide_password=False),
    }


@pytest.fixture(scope="session")
def apps(database_urls: dict[str, str]) -> Iterator[dict[str, Flask]]:
    apps = {}
    for kind, url in database_urls.items():
        apps[kind] = app = create_app({"DATABASE_URL": url, "SECRET_KEY": "test", "LOG_FORMAT": "json"})
        app.testing = True
        app.test_client_class = Client
        with app.app_context():
            flask_migrate.upgrade()
    yield apps
    for app in apps.values():
        with app.app_context():
            db.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def app(apps: dict[str, Flask], request: pytest.FixtureRequest) -> Iterator[Flask]:
    """The application on an empty, migrated database of each kind in turn."""
    app = apps[request.param]
    with app.app_context():
        empty()
        yield app
        db.session.remove()


def empty() -> None:
    """Every table as after the migrations; numbers start again from 1."""
    db.session.remove()
    tables = [table.name for table in reversed(db.metadata.sorted_tables)]
    with db.engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # few rows in many tables: twenty times as fast as TRUNCATE
            connection.execute(text(";".join(f"DELETE FROM {table}" for table in tables)))
            connection.execute(text("SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"))
        else:
            for table in (*tables, "sqlite_sequence"):
                connection.execute(text(f"DELETE FROM {table}"))


class Client(FlaskClient):
    """Each request in a context of its own, as on a server: nothing in `g` or a session is left from another one."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return Context().run(super().open, *args, **{**kwargs, "buffered": True})


# What stands in the database


def add_customers(*document_ids: str, **facts: str) -> None:
    in_transaction(lambda session: save_customers(session, [{"document_id": id_, **facts} for id_ in document_ids]))


def give(document_id: str, segments: Segments, actor: Actor = TESTER) -> None:
    replace_segments({document_id: segments}, actor)


def all_segments() -> dict[str, Segments]:
    db.session.rollback()
    return {row.document_id: row.segments for row in db.session.query(Customer.document_id, Customer.segments)}


@pytest.fixture
def ana(app: Flask) -> str:
    add_customers("1232-2323", name="Ana Gómez", email="Ana@Example.com")
    return "1232-2323"


# Clients


class Api:
    """Calls the API with a token, and checks what every answer of it must have."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, url: str, *, status: int = 200, code: str | None = None, **kwargs: Any) -> TestResponse:
        headers = {**self.headers, **kwargs.pop("headers", {})}
        response = self.client.open(url, method=method, headers=headers, **kwargs)
        assert response.status_code == status, response.text
        assert response.headers["X-Request-Id"]
        if status >= 400:
            assert response.json is not None
            assert response.json.keys() == {"error"}
            assert response.json["error"].keys() == {"code", "message", "details"}
            assert response.json["error"]["code"] == code
        return response

    def get(self, url: str, **kwargs: Any) -> TestResponse:
        return self.call("GET", url, **kwargs)

    def replace(self, customers: Any, query: str = "", **kwargs: Any) -> TestResponse:
        return self.call("POST", f"/api/v3/customers/segments{query}", json={"customers": customers}, **kwargs)

    def updated(self, customers: Any) -> list[str]:
        response = self.replace(customers)
        assert response.json is not None
        return response.json["updatedCustomers"]  # type: ignore[no-any-return]


@pytest.fixture
def api(app: Flask) -> Api:
    return Api(app.test_client(), create_token("crm-nightly"))


@pytest.fixture
def viewer(app: Flask) -> Operator:
    return signed_in(app.test_client(), "viewer")


@pytest.fixture
def editor(app: Flask) -> Operator:
    return signed_in(app.test_client(), "editor")


@pytest.fixture
def admin(app: Flask) -> Operator:
    return signed_in(app.test_client(), "admin")


class Shell:
    """Runs `flask …` in a folder of its own."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app, self.folder = app, folder

    def __call__(self, *args: str, exit_code: int = 0, stdin: str | bytes | None = None) -> Result:
        result = self.app.test_cli_runner().invoke(args=list(args), input=stdin)
        assert result.exit_code == exit_code, (result.output, result.exception)
        return result

    def file(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)


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
    """A shop that is open, for those who come with a browser."""
    with shop(tmp_path_factory.mktemp("shop"), customers=400) as server:
        yield server


@pytest.fixture(params=WAYS)
def at(browser: Browser, service: Server, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """An editor at work, in one of three ways."""
    with visiting(browser, service.address, EDITOR, **WAYS[request.param]) as at:
        yield at


@pytest.fixture
def desk(browser: Browser, service: Server) -> Iterator[Visit]:
    """An editor at her desk."""
    with visiting(browser, service.address, EDITOR) as at:
        yield at


@pytest.fixture
def cdnow() -> Path:
    folder = SHARED / "data" / "cdnow"
    if not folder.exists():
        pytest.skip("the real data is not here: ../shared/data/cdnow, beside the project")
    return folder
