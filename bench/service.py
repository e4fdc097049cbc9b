"""The service under test: migrated, filled, served by gunicorn, and called over HTTP with a new token."""

import http.client
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import flask_migrate
import orjson
from sqlalchemy import create_engine, make_url

from app import create_app
from app.access.api_tokens import create_token
from app.core.database import db
from bench import dataset
from bench.servers.gunicorn import Server, serving
from bench.timing import Work

SEGMENTS = "/api/v3/customers/segments"


@dataclass
class Service:
    """A running service; `url` is its database."""

    url: str
    server: Server
    headers: dict[str, str]

    def replacing(self, customers: dataset.CustomerList, address: str | None = None) -> Work:
        """Return work that sends one request, to `address` if given, and checks that every customer was updated."""
        body = orjson.dumps({"customers": customers})

        def replace() -> None:
            response = call(address or self.server.address, "POST", SEGMENTS, self.headers, body)
            assert len(orjson.loads(response)["updatedCustomers"]) == len(customers)

        return replace

    def getting(self, path: str) -> Work:
        return lambda: call(self.server.address, "GET", path, self.headers)


_connections: dict[str, http.client.HTTPConnection] = {}


def call(address: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Return the body of a 200 response, over a kept connection as a nightly job has it."""
    if address not in _connections:
        _connections[address] = http.client.HTTPConnection(urlsplit(address).netloc, timeout=600)
    connection = _connections[address]
    try:
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
    except ConnectionError:  # closed by the server after it was idle
        connection.close()
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
    content = response.read()
    assert response.status == 200, (response.status, content[:500])
    return content


@contextmanager
def service(
    url: str,
    stored: int,
    folder: Path,
    *,
    workers: int = 1,
    sets: list[dataset.Segments] = dataset.SEGMENT_SETS,
) -> Iterator[Service]:
    """Serve a database with `stored` customers; it is filled first if it is empty."""
    environ = {
        "DATABASE_URL": url,
        "SECRET_KEY": "only-for-tests-0123456789",
        "WEB_CONCURRENCY": str(workers),
        "LOG_FORMAT": "json",
    }
    folder.mkdir(parents=True, exist_ok=True)
    secret = prepare_database(url, stored, sets)
    with serving(environ, folder / "ours.log") as server:
        yield Service(url, server, {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"})


def prepare_database(url: str, stored: int, sets: list[dataset.Segments] = dataset.SEGMENT_SETS) -> str:
    """Migrate a database, fill it if it is empty, and return the secret of a new token."""
    app = create_app({"DATABASE_URL": url, "SECRET_KEY": "only-for-tests-0123456789", "LOG_FORMAT": "json"})
    with app.app_context():
        flask_migrate.upgrade()
        if db.session.execute(db.text("SELECT 1 FROM customers LIMIT 1")).first() is None:
            db.session.remove()
            dataset.fill(db.engine, stored, random.Random(1), sets)
        db.session.remove()
        secret = create_token(f"bench-{random.randrange(10**9)}")
        db.engine.dispose()
    return secret


def database(server: str, name: str) -> str:
    """Create an empty database on a PostgreSQL server and return its URL."""
    url = make_url(server)
    engine = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)
