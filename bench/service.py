"""The service under test: migrated, filled, served by gunicorn, and asked over HTTP with a token of its own."""

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
from bench.timing import Work
from tests.support.gunicorn import Server, serving

SEGMENTS = "/api/v3/customers/segments"


@dataclass
class Service:
    """One that is running; `url` is its database."""

    url: str
    server: Server
    headers: dict[str, str]

    def replacing(self, customers: dataset.Customers, address: str | None = None) -> Work:
        """One request to us, or to whoever else is at `address`; everybody sent must be updated."""
        body = orjson.dumps({"customers": customers})

        def replace() -> None:
            answer = ask(address or self.server.address, "POST", SEGMENTS, self.headers, body)
            assert len(orjson.loads(answer)["updatedCustomers"]) == len(customers)

        return replace

    def getting(self, path: str) -> Work:
        return lambda: ask(self.server.address, "GET", path, self.headers)


_kept: dict[str, http.client.HTTPConnection] = {}


def ask(address: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Over a connection that is kept, as a nightly job would."""
    if address not in _kept:
        _kept[address] = http.client.HTTPConnection(urlsplit(address).netloc, timeout=600)
    connection = _kept[address]
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
    except ConnectionError:  # it was idle for too long: the next one is new
        connection.close()
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
    told = answer.read()
    assert answer.status == 200, (answer.status, told[:500])
    return told


@contextmanager
def service(url: str, stored: int, folder: Path, *, workers: int = 1) -> Iterator[Service]:
    """On a database that holds so many customers, filled now unless it is filled already."""
    environ = {"DATABASE_URL": url, "SECRET_KEY": "bench", "WEB_CONCURRENCY": str(workers), "LOG_FORMAT": "json"}
    folder.mkdir(parents=True, exist_ok=True)
    app = create_app(environ)
    with app.app_context():
        flask_migrate.upgrade()
        if db.session.execute(db.text("SELECT 1 FROM customers LIMIT 1")).first() is None:
            db.session.remove()
            dataset.fill(db.engine, stored, random.Random(1))
        db.session.remove()
        secret = create_token(f"bench-{random.randrange(10**9)}")
        db.engine.dispose()
    with serving(environ, folder / "ours.log") as server:
        yield Service(url, server, {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"})


def database(server: str, name: str) -> str:
    """The URL of a new, empty database on a PostgreSQL server."""
    url = make_url(server)
    engine = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)
