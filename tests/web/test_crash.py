"""A server that is killed between commit and response, and parallel repeats: one change set, and the same response."""

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

from bench.servers.gunicorn import serving
from tests.support.clients import Api
from tests.support.customers import GOLD, all_segments, count_change_sets

PATH = "/api/v3/customers/segments?report=true"
BODY = json.dumps({"customers": [{"document_id": "1232-2323", "segments": GOLD}]}).encode()
REPORT = {"changed": 1, "unchanged": 0, "notFound": [], "duplicates": [], "stale": [], "changeSet": "1"}
RESPONSE = ({"updatedCustomers": ["1232-2323"], "report": REPORT}, "1")
"""The body and the header Change-Set."""


@pytest.fixture
def environ(app: Flask, ana: str) -> dict[str, str]:
    return {"DATABASE_URL": app.config["DATABASE_URL"], "SECRET_KEY": "only-for-tests-0123456789", "LOG_FORMAT": "json"}


@pytest.fixture
def headers(api: Api) -> dict[str, str]:
    return {**api.headers, "Content-Type": "application/json", "Idempotency-Key": "night 2026-11-23"}


def post(address: str, headers: dict[str, str]) -> tuple[Any, str]:
    with urllib.request.urlopen(urllib.request.Request(address + PATH, BODY, headers), timeout=30) as response:
        return json.load(response), response.headers["Change-Set"]


def test_a_repeat_after_a_crash_replays_the_response(
    environ: dict[str, str], headers: dict[str, str], tmp_path: Path
) -> None:
    temporary = {"TMPDIR": str(tmp_path)}
    with serving(
        environ | temporary, tmp_path / "first", application="tests.support.delayed_response_app:app"
    ) as server:
        host, port = server.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            fields = {"Host": host, "Content-Length": str(len(BODY)), **headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            connection.sendall(f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + BODY)
            wait_for_change_set()
            server.kill()
            received = b""
            with suppress(ConnectionError):
                received = connection.recv(1)
            assert received == b"", "it was killed before the response"
    assert all_segments() == {"1232-2323": GOLD}
    with serving(environ, tmp_path / "second") as server:
        assert post(server.address, headers) == RESPONSE
    assert count_change_sets() == 1


def wait_for_change_set() -> None:
    end = time.monotonic() + 20
    while not count_change_sets():
        assert time.monotonic() < end, "nothing was committed"
        time.sleep(0.05)


def test_five_parallel_repeats_get_one_response(
    environ: dict[str, str], headers: dict[str, str], tmp_path: Path
) -> None:
    responses: list[Any] = []
    barrier = threading.Barrier(5)

    def send(address: str) -> None:
        barrier.wait(timeout=20)
        responses.append(post(address, headers))

    with serving(environ, tmp_path / "log") as server:
        clients = [threading.Thread(target=send, args=(server.address,)) for _ in range(5)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert responses == [RESPONSE] * 5
    assert count_change_sets() == 1
