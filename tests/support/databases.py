"""Databases of a test's own, and applications on them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import URL

from app import create_app
from app.core.database import db
from bench.servers.gunicorn import SECRET_KEY

on_postgresql = pytest.mark.parametrize("app", ["postgresql"], indirect=True)


@contextmanager
def app_on(url: str, **settings: str) -> Iterator[Flask]:
    """Yield an application on the database at this URL, in its context; close its connections afterwards."""
    app = create_app({"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY, **settings})
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()


@contextmanager
def another_database(server: str, name: str, *options: str, create: str = "") -> Iterator[str]:
    """Yield the URL of a database made with these options, dropped afterwards."""
    name = f"{make_url(server).database}_{name}"
    administer(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name} {create}")
    administer(server, *(f"ALTER DATABASE {name} SET {option}" for option in options))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        administer(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def administer(url: URL | str, *statements: str) -> None:
    engine = create_engine(make_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
