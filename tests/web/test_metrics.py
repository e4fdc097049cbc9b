"""/metrics in the format of Prometheus, correct with several workers."""

import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy.exc import OperationalError

from app.core.database import db
from app.web.metric_files import AllocatedDict
from bench.servers.gunicorn import SECRET_KEY, Server, serving, wait_for
from tests.support.clients import Api
from tests.support.customers import GOLD, set_segments
from tests.support.metrics import parse_metrics


def test_requests_and_customers_are_counted(app: Flask, api: Api, ana: str) -> None:
    before = parse_metrics(app.test_client().get("/metrics").text)
    api.replace([{"document_id": ana, "segments": GOLD}])
    api.replace([{"document_id": ana, "segments": GOLD}])
    api.replace([{"document_id": ana, "segments": []}], "?dry_run=true")
    api.replace([], status=400, code="VALIDATION_ERROR")
    response = app.test_client().get("/metrics")
    assert response.mimetype == "text/plain"
    after = parse_metrics(response.text)

    def increase(name: str) -> float:
        return after[name] - before.get(name, 0)

    route = 'method="POST",route="/api/v3/customers/segments"'
    assert increase(f'http_requests_total{{{route},status="200"}}') == 3
    assert increase(f'http_requests_total{{{route},status="400"}}') == 1
    assert increase('http_request_duration_seconds_count{route="/api/v3/customers/segments"}') == 4
    assert increase('customers_updated_total{outcome="changed",source="api"}') == 1, "a dry run changes nothing"
    assert after["segment_count_ledger_rows"] == 1
    assert "transaction_retries_total" in after
    assert "database_connections_in_use" in after
    assert after['jobs{state="applying"}'] == 0
    assert after["webhook_deliveries_pending"] == 0


def test_metrics_have_no_customer_data(app: Flask, ana: str) -> None:
    set_segments(ana, GOLD)
    app.test_client().get(f"/customers/{ana}?q=gomez")
    assert ana not in app.test_client().get("/metrics").text
    assert "gomez" not in app.test_client().get("/metrics").text


def test_metrics_are_served_without_the_database(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(db.session, "scalars", fail)
    response = app.test_client().get("/metrics")
    assert response.status_code == 200
    assert "segment_count_ledger_rows" not in response.text


def test_requests_of_all_workers_are_summed(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'm.db'}", "SECRET_KEY": SECRET_KEY, "WEB_CONCURRENCY": "3"}
    with serving(environ, tmp_path / "log") as server:
        for _ in range(40):
            get(server, "/nowhere")
        assert [count_of_not_found(server) for _ in range(10)] == [40.0] * 10, "whichever worker answers"
        os.kill(server.workers()[0], signal.SIGKILL)
        wait_for(lambda: count_of_not_found(server) == 40.0)


def test_invented_methods_share_one_label(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'm.db'}", "SECRET_KEY": SECRET_KEY, "WEB_CONCURRENCY": "1"}
    with serving(environ, tmp_path / "log") as server:
        for number in range(20):
            get(server, "/sign-in", method=f"METHOD{number}")
        text = get(server, "/metrics")
    assert parse_metrics(text)['http_requests_total{method="other",route="none",status="405"}'] == 20
    assert "METHOD1" not in text


def test_metrics_are_read_while_a_process_creates_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    allocate = os.posix_fallocate

    def read_and_allocate(*arguments: int) -> None:
        read.append(list(MultiProcessCollector(CollectorRegistry(), str(tmp_path)).collect()))
        allocate(*arguments)

    monkeypatch.setattr(os, "posix_fallocate", read_and_allocate)
    AllocatedDict(str(tmp_path / "counter_1.db")).close()
    assert read == [[]]
    assert [file.name for file in tmp_path.iterdir()] == ["counter_1.db"]


def count_of_not_found(server: Server) -> float:
    return parse_metrics(get(server, "/metrics"))['http_requests_total{method="GET",route="none",status="404"}']


def get(server: Server, path: str, method: str = "GET") -> str:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(server.address + path, method=method), timeout=20
        ) as response:
            text: str = response.read().decode()
            return text
    except urllib.error.HTTPError as error:
        return error.read().decode()
