"""A request that waits for a change occupies no thread, and is answered when the change comes."""

import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.web.long_polling import wait_for_change
from bench.servers.gunicorn import SECRET_KEY, Server, serving
from tests.support.raw_http import connect, head

WAITING = 50


@pytest.fixture(scope="module")
def waiting_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("waiting")
    environ = {"DATABASE_URL": f"sqlite:///{folder / 'w.db'}", "SECRET_KEY": SECRET_KEY, "WEB_CONCURRENCY": "1"}
    with serving(environ, folder / "log", application="tests.support.waiting_app:app") as server:
        yield server


def get(server: Server, path: str) -> str:
    with urllib.request.urlopen(server.address + path, timeout=60) as response:
        return str(response.read().decode())


def test_many_requests_wait_without_threads_until_the_change(waiting_server: Server) -> None:
    seen = get(waiting_server, "/wait?seen=-1&seconds=60")
    results: list[str] = []
    path = f"/wait?seen={seen}&seconds=60"
    waiting = [threading.Thread(target=lambda: results.append(get(waiting_server, path))) for _ in range(WAITING)]
    for thread in waiting:
        thread.start()
    assert get(waiting_server, "/sign-in")
    assert results == []
    changed = get(waiting_server, "/change")
    for thread in waiting:
        thread.join(timeout=50)
    assert results == [changed] * WAITING


def test_without_a_change_the_response_comes_after_the_time(waiting_server: Server) -> None:
    seen = get(waiting_server, "/wait?seen=-1&seconds=60")
    started = time.monotonic()
    assert get(waiting_server, f"/wait?seen={seen}&seconds=1.5") == seen
    assert time.monotonic() - started >= 1.5


def test_disconnected_client_stops_waiting(waiting_server: Server) -> None:
    seen = get(waiting_server, "/wait?seen=-1&seconds=60")
    with connect(waiting_server.port) as connection:
        connection.sendall(head("GET", f"/wait?seen={seen}&seconds=60", {}))
    assert get(waiting_server, "/sign-in")


def test_under_another_server_a_view_does_not_wait(app: Flask, tmp_path: Path) -> None:
    with app.test_request_context("/"):
        wait_for_change("value", lambda: 1, 1, seconds=60)
