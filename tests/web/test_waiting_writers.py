"""Requests that wait for a lock leave threads to others."""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app.access.api_tokens import create_token
from app.core.database import db
from bench.servers.gunicorn import SECRET_KEY, serving
from tests.support.customers import add_customers

WRITERS = 10


@contextmanager
def locked_customer(app: Flask) -> Iterator[None]:
    """Hold the row of customer 1 (on SQLite: the database) as a long import would."""
    with db.engine.connect() as connection:
        connection.execute(text("UPDATE customers SET document_id = document_id WHERE document_id = '1'"))
        yield
        connection.rollback()


@pytest.fixture
def environ(app: Flask) -> dict[str, str]:
    return {"DATABASE_URL": app.config["DATABASE_URL"], "SECRET_KEY": SECRET_KEY, "WEB_CONCURRENCY": "1"}


def test_reads_and_other_writes_are_served(app: Flask, environ: dict[str, str], tmp_path: Path) -> None:
    add_customers("1", "2")
    headers = {"Authorization": f"Bearer {create_token('crm')}", "Content-Type": "application/json"}
    statuses: list[int] = []
    with serving(environ, tmp_path / "log") as server:

        def replace(document_id: str) -> int:
            body = (
                b'{"customers": [{"document_id": "%s", "segments": [{"type": "t", "value": "v"}]}]}'
                % document_id.encode()
            )
            request = urllib.request.Request(f"{server.address}/api/v3/customers/segments", body, headers)
            with urllib.request.urlopen(request, timeout=60) as response:
                return int(response.status)

        def get(path: str) -> int:
            request = urllib.request.Request(server.address + path, headers=headers)
            with urllib.request.urlopen(request, timeout=10) as response:
                return int(response.status)

        writers = [threading.Thread(target=lambda: statuses.append(replace("1"))) for _ in range(WRITERS)]
        with locked_customer(app):
            for writer in writers:
                writer.start()
            for path in ("/healthz", "/readyz", "/api/v3/segments", "/api/v3/customers", "/metrics"):
                assert get(path) == 200
            if db.engine.dialect.name == "postgresql":
                assert replace("2") == 200
            assert statuses == []
        for writer in writers:
            writer.join(timeout=60)
    assert statuses == [200] * WRITERS
