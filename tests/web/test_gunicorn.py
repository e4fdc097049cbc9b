"""Under gunicorn: what is under way is finished, what is logged tells no secrets."""

import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.gunicorn import ROOT, Server, clean, serving


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder to be copied, whose database holds one customer and one token, made by commands; and that token."""
    folder = tmp_path_factory.mktemp("prepared")
    environ = at(folder / "test.db")
    flask(environ, ROOT, "db", "upgrade")
    (folder / "ana.csv").write_text("document_id,name,email\n1232-2323,Ana Gómez,ana@example.com\n")
    flask(environ, ROOT, "customers", "import", str(folder / "ana.csv"))
    return folder, flask(environ, ROOT, "tokens", "create", "crm-nightly").splitlines()[-1]


def at(database: Path) -> dict[str, str]:
    return {"DATABASE_URL": f"sqlite:///{database}", "SECRET_KEY": "only-for-tests-0123456789", "LOG_FORMAT": "json"}


@pytest.fixture
def environ(prepared: tuple[Path, str], tmp_path: Path) -> dict[str, str]:
    """An embedded database with one customer, in a folder of its own."""
    folder, token = prepared
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return at(tmp_path / "test.db") | {"TOKEN": token}


@pytest.fixture
def server(environ: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    with serving(environ, tmp_path / "log") as server:
        yield server


def flask(environ: dict[str, str], root: Path, *args: str) -> str:
    command = [sys.executable, "-m", "flask", *args]
    return subprocess.run(command, cwd=root, env=clean() | environ, check=True, capture_output=True, text=True).stdout


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


@pytest.mark.parametrize("command", [("gunicorn", "wsgi:app"), ("flask", "tokens", "list")])
def test_it_says_what_is_wrong_with_the_settings_and_nothing_else(command: tuple[str, ...]) -> None:
    wrong = clean() | {"PORT": "x"}
    ended = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=wrong, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "Cannot start: PORT must be a port, 1 to 65535.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["stop", "reload"])
def test_it_finishes_what_is_under_way(environ: dict[str, str], server: Server, number: signal.Signals) -> None:
    """A request waits for another writer while the server is told to stop, or to reload."""
    path = environ["DATABASE_URL"].removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(replace(server.address, environ["TOKEN"], "GOLD")))
    caller.start()
    time.sleep(0.5)
    server.signal(number)
    time.sleep(1)
    assert answers == []
    other.execute("COMMIT")
    other.close()
    caller.join(timeout=20)
    assert answers == [{"updatedCustomers": ["1232-2323"]}]
    if number == signal.SIGHUP:
        assert replace(server.address, environ["TOKEN"], "SILVER") == {"updatedCustomers": ["1232-2323"]}
    else:
        assert server.process.wait(timeout=20) == 0


def test_what_became_of_a_request_is_written_before_it_stops(environ: dict[str, str], tmp_path: Path) -> None:
    with serving(environ, tmp_path / "log") as server:
        replace(server.address, environ["TOKEN"], "GOLD")
    with sqlite3.connect(environ["DATABASE_URL"].removeprefix("sqlite:///")) as database:
        assert database.execute("SELECT status, changed FROM token_requests").fetchall() == [(200, 1)]
    database.close()


def test_a_log_line_tells_who_did_what_and_no_personal_data(environ: dict[str, str], server: Server) -> None:
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


@pytest.mark.parametrize("path", ["/api/customers/segments?document_id=" + "9" * 10_000, "/api/é"])
def test_what_is_no_request_is_refused_in_the_shape_of_the_api(server: Server, path: str) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        with connection.makefile("rb") as stream:
            head, _, body = stream.read().decode().partition("\r\n\r\n")
    assert " 41" in head or " 400" in head
    assert "X-Request-Id: " in head
    assert json.loads(body)["error"].keys() == {"code", "message", "details"}


def test_it_is_alive_and_ready(server: Server) -> None:
    for path in ("/healthz", "/readyz"):
        with urllib.request.urlopen(server.address + path, timeout=10) as response:
            assert json.load(response) == {"status": "ok"}


def test_the_first_steps(tmp_path: Path) -> None:
    """What `make run` does on a fresh clone, and the printed call pasted as it is."""
    for name in ("app", "templates", "static"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("wsgi.py", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, tmp_path)
    flask({}, tmp_path, "db", "upgrade")
    first = flask({}, tmp_path, "quickstart")
    assert flask({}, tmp_path, "quickstart") == first, "the sign-in and the token are made once"
    assert "Sign in as admin@example.com" in first
    assert (tmp_path / "instance" / "first-steps.json").stat().st_mode & 0o777 == 0o600
    curl = first[first.index("curl ") :]
    with serving({}, tmp_path / "log", tmp_path) as server:
        pasted = curl.replace("http://127.0.0.1:8000", server.address)
        answer = subprocess.run(["sh", "-c", pasted], check=True, capture_output=True, text=True).stdout
        assert json.loads(answer) == {"updatedCustomers": ["1232-2323"]}
        flask({}, tmp_path, "segments", "recount")
