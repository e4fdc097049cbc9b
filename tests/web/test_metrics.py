"""/metrics: what Prometheus reads, right under several workers."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from app.core.database import db
from tests.support.clients import Api
from tests.support.customers import GOLD, set_segments
from tests.support.gunicorn import Server, serving


def told(text: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_it_works(app: Flask, api: Api, ana: str) -> None:
    before = told(app.test_client().get("/metrics").text)
    api.replace([{"document_id": ana, "segments": GOLD}])
    api.replace([{"document_id": ana, "segments": GOLD}])
    api.replace([{"document_id": ana, "segments": []}], "?dry_run=true")
    api.replace([], status=400, code="VALIDATION_ERROR")
    answer = app.test_client().get("/metrics")
    assert answer.mimetype == "text/plain"
    after = told(answer.text)

    def more(name: str) -> float:
        return after[name] - before.get(name, 0)

    route = 'method="POST",route="/api/v3/customers/segments"'
    assert more(f'http_requests_total{{{route},status="200"}}') == 3
    assert more(f'http_requests_total{{{route},status="400"}}') == 1
    assert more('http_request_duration_seconds_count{route="/api/v3/customers/segments"}') == 4
    assert more('customers_updated_total{outcome="changed",source="api"}') == 1, "a dry run changes nothing"
    assert after["segment_count_ledger_rows"] == 1
    assert "transaction_retries_total" in after
    assert "database_connections_in_use" in after


def test_no_customer_stands_in_it(app: Flask, ana: str) -> None:
    set_segments(ana, GOLD)
    app.test_client().get(f"/customers/{ana}?q=gomez")
    assert ana not in app.test_client().get("/metrics").text
    assert "gomez" not in app.test_client().get("/metrics").text


def test_it_answers_while_the_database_is_away(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(db.session, "scalars", away)
    answer = app.test_client().get("/metrics")
    assert answer.status_code == 200
    assert "segment_count_ledger_rows" not in answer.text


def test_several_workers_are_summed_also_when_one_has_died(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'm.db'}", "SECRET_KEY": "x", "WEB_CONCURRENCY": "3"}
    with serving(environ, tmp_path / "log") as server:
        asked = healthy(server)
        for _ in range(40):
            get(server, "/nowhere")
        counted = [requests_of_nowhere(server) for _ in range(10)]
        assert counted == [40.0] * 10, "whichever worker answers"
        assert asked >= 1


def healthy(server: Server) -> float:
    return told(get(server, "/metrics"))['http_requests_total{method="GET",route="/healthz",status="200"}']


def requests_of_nowhere(server: Server) -> float:
    return told(get(server, "/metrics"))['http_requests_total{method="GET",route="none",status="404"}']


def get(server: Server, path: str) -> str:
    try:
        with urllib.request.urlopen(server.address + path, timeout=10) as answer:
            text: str = answer.read().decode()
            return text
    except urllib.error.HTTPError as refused:
        return refused.read().decode()
