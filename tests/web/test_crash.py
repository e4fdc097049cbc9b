"""A real server, killed at the worst moment and asked by several at once: one change set, and one answer for all."""

import json
import socket
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.api.test_idempotency import change_sets
from tests.support.clients import Api
from tests.support.customers import GOLD, all_segments
from tests.support.gunicorn import serving

PATH = "/api/v3/customers/segments?report=true"
BODY = json.dumps({"customers": [{"document_id": "1232-2323", "segments": GOLD}]}).encode()
REPORT = {"changed": 1, "unchanged": 0, "notFound": [], "duplicates": [], "stale": [], "changeSet": "1"}
ANSWER = ({"updatedCustomers": ["1232-2323"], "report": REPORT}, "1")
"""The body, and the header Change-Set."""


@pytest.fixture
def environ(app: Flask, ana: str) -> dict[str, str]:
    return {"DATABASE_URL": app.config["DATABASE_URL"], "SECRET_KEY": "only-for-tests-0123456789", "LOG_FORMAT": "json"}


@pytest.fixture
def headers(api: Api) -> dict[str, str]:
    return {**api.headers, "Content-Type": "application/json", "Idempotency-Key": "night 2026-11-23"}


def post(address: str, headers: dict[str, str]) -> tuple[Any, str]:
    with urllib.request.urlopen(urllib.request.Request(address + PATH, BODY, headers), timeout=30) as response:
        return json.load(response), response.headers["Change-Set"]


def test_a_server_killed_before_it_answered_has_answered(
    environ: dict[str, str], headers: dict[str, str], tmp_path: Path
) -> None:
    left_behind = {"TMPDIR": str(tmp_path)}
    with serving(
        environ | left_behind, tmp_path / "first", application="tests.support.delayed_response_app:app"
    ) as server:
        host, port = server.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            told = {"Host": host, "Content-Length": str(len(BODY)), **headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
            connection.sendall(f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + BODY)
            wait_for_a_change_set()
            server.kill()
            received = b""
            with suppress(ConnectionError):
                received = connection.recv(1)
            assert received == b"", "it was killed before it answered"
    assert all_segments() == {"1232-2323": GOLD}
    with serving(environ, tmp_path / "second") as server:
        assert post(server.address, headers) == ANSWER
    assert change_sets() == 1


def wait_for_a_change_set() -> None:
    end = time.monotonic() + 20
    while not change_sets():
        assert time.monotonic() < end, "nothing was committed"
        time.sleep(0.05)


def test_five_at_once_are_done_once_and_answered_alike(
    environ: dict[str, str], headers: dict[str, str], tmp_path: Path
) -> None:
    answers: list[Any] = []
    together = threading.Barrier(5)

    def send(address: str) -> None:
        together.wait(timeout=20)
        answers.append(post(address, headers))

    with serving(environ, tmp_path / "log") as server:
        callers = [threading.Thread(target=send, args=(server.address,)) for _ in range(5)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert answers == [ANSWER] * 5
    assert change_sets() == 1
