"""The service under gunicorn: start, stop, reload, killed processes, logs."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bench.servers.gunicorn import ROOT, Server, clean, free_port, serving, wait_for
from tests.support.commands import run_flask


def replace(address: str, token: str, value: str) -> Any:
    body = {"customers": [{"document_id": "1232-2323", "segments": [{"type": "membership", "value": value}]}]}
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "X-Request-Id": "from-the-caller",
    }
    request = urllib.request.Request(f"{address}/api/v3/customers/segments", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("command", [("gunicorn", "wsgi:app"), ("flask", "tokens", "list")])
def test_invalid_settings_are_one_message(command: tuple[str, ...]) -> None:
    invalid = clean() | {"PORT": "x"}
    ended = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=invalid, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "Cannot start: PORT must be a port, 1 to 65535.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["stop", "reload"])
def test_a_request_is_completed_during(environ: dict[str, str], server: Server, number: signal.Signals) -> None:
    """A request waits for another writer while the server stops or reloads."""
    path = environ["DATABASE_URL"].removeprefix("sqlite:///")
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    responses: list[Any] = []
    client = threading.Thread(target=lambda: responses.append(replace(server.address, environ["TOKEN"], "GOLD")))
    client.start()
    time.sleep(0.5)
    server.signal(number)
    time.sleep(1)
    assert responses == []
    writer.execute("COMMIT")
    writer.close()
    client.join(timeout=20)
    assert responses == [{"updatedCustomers": ["1232-2323"]}]
    if number == signal.SIGHUP:
        assert replace(server.address, environ["TOKEN"], "SILVER") == {"updatedCustomers": ["1232-2323"]}
    else:
        assert server.process.wait(timeout=40) == 0


def test_no_request_fails_during_reloads(environ: dict[str, str], server: Server) -> None:
    """Clients send requests while all workers are replaced twice."""
    failures: list[object] = []
    served = [0]
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            try:
                if replace(server.address, environ["TOKEN"], "GOLD") != {"updatedCustomers": ["1232-2323"]}:
                    failures.append("another response")
                served[0] += 1
            except OSError as error:
                failures.append(error)

    clients = [threading.Thread(target=send) for _ in range(3)]
    for client in clients:
        client.start()
    for _ in range(2):
        before = set(server.workers())
        server.signal(signal.SIGHUP)
        wait_for(lambda before=before: len(server.workers()) == 2 and not before & set(server.workers()), 60)
    stop.set()
    for client in clients:
        client.join(timeout=40)
    assert failures == []
    assert served[0] > 10


def test_workers_of_a_killed_master_free_the_port(environ: dict[str, str], tmp_path: Path) -> None:
    with serving(environ, tmp_path / "log") as server:
        workers = server.workers()
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(timeout=20)

        def port_is_free() -> bool:
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                return listener.connect_ex(("127.0.0.1", server.port)) != 0

        wait_for(port_is_free, 20)
        wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), 60)


def test_the_request_log_is_written_before_the_server_stops(environ: dict[str, str], tmp_path: Path) -> None:
    with serving(environ, tmp_path / "log") as server:
        replace(server.address, environ["TOKEN"], "GOLD")
    with sqlite3.connect(environ["DATABASE_URL"].removeprefix("sqlite:///")) as database:
        assert database.execute("SELECT status, changed FROM token_requests").fetchall() == [(200, 1)]
    database.close()


def test_a_log_line_has_token_and_change_set_but_no_customer_data(environ: dict[str, str], server: Server) -> None:
    replace(server.address, environ["TOKEN"], "PLATINUM")
    for path in (
        "/api/v3/customers/1232-2323/segments",
        "/api/customers/segments?email=ana@example.com",
        "/ana@example.com",
    ):
        request = urllib.request.Request(server.address + path, headers={"Authorization": f"Bearer {environ['TOKEN']}"})
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as error:
            error.close()
    lines = [json.loads(line) for line in server.log_lines()]
    (change,) = [line for line in lines if line.get("change_set")]
    assert change["request_id"] == "from-the-caller"
    assert change["token"] == "crm-nightly"
    assert change["route"] == "/api/v3/customers/segments"
    assert change["status"] == 200
    for secret in ("1232-2323", "ana@example.com", "Gómez", "PLATINUM", environ["TOKEN"]):
        assert secret not in server.log.read_text()


def test_the_probes_answer(server: Server) -> None:
    for path in ("/healthz", "/readyz"):
        with urllib.request.urlopen(server.address + path, timeout=10) as response:
            assert json.load(response) == {"status": "ok"}
            assert response.headers["X-Request-Id"]


def test_metrics_and_probes_have_an_address_of_their_own(environ: dict[str, str], tmp_path: Path) -> None:
    internal = f"127.0.0.1:{free_port()}"
    with serving(environ | {"METRICS_BIND": internal}, tmp_path / "log") as server:
        assert status_of(f"http://{internal}/metrics") == 200
        assert status_of(f"http://{internal}/readyz") == 200
        assert status_of(f"http://{internal}/sign-in") == 404
        assert status_of(f"{server.address}/metrics") == 404
        assert status_of(f"{server.address}/healthz") == 200
        assert status_of(f"{server.address}/sign-in") == 200


def test_a_proxy_on_loopback_is_not_trusted_without_the_setting(server: Server) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9", "SCRIPT_NAME": "/x", "Path-Info": "/y"}
    request = urllib.request.Request(f"{server.address}/sign-in", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        assert "Strict-Transport-Security" not in response.headers
        assert b'"/x/' not in response.read()


def test_the_quickstart_works_on_a_fresh_clone(tmp_path: Path) -> None:
    """What `make run` does, and the printed call as it is."""
    for name in ("app", "templates", "static"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("wsgi.py", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, tmp_path)
    run_flask({}, tmp_path, "db", "upgrade")
    first = run_flask({}, tmp_path, "quickstart")
    assert run_flask({}, tmp_path, "quickstart") == first, "the sign-in and the token are created once"
    assert "Sign in as admin@example.com" in first
    assert (tmp_path / "instance" / "first-steps.json").stat().st_mode & 0o777 == 0o600
    curl = first[first.index("curl ") :]
    with serving({}, tmp_path / "log", tmp_path) as server:
        command = curl.replace("http://127.0.0.1:8000", server.address)
        output = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True).stdout
        assert json.loads(output) == {"updatedCustomers": ["1232-2323"]}
        run_flask({}, tmp_path, "segments", "recount")
