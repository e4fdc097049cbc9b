"""Traces for OpenTelemetry and errors for Sentry, as a collector on this machine receives them."""

import gzip
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError

import pytest
from flask import Flask
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bench.servers.gunicorn import SECRET_KEY, Server, serving, wait_for
from tests.support.clients import Api

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"X-Request-Id": "nightly-7", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


class Collector(ThreadingHTTPServer):
    """Keeps the bodies of the requests that it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.bodies: list[bytes] = []

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class CollectorHandler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Stay silent."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def observed(app: Flask, collector: Collector, tmp_path: Path) -> Iterator[Server]:
    """The service on the database of the application under test, with a URL that fails."""
    environ = {
        "DATABASE_URL": app.config["DATABASE_URL"],
        "SECRET_KEY": SECRET_KEY,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.authority}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "SENTRY_DSN": f"http://key@{collector.authority}/1",
    }
    with serving(environ, tmp_path / "log", application="tests.support.failing_app:app") as server:
        yield server


def call(server: Server, api: Api, path: str) -> int:
    request = urllib.request.Request(server.address + path, headers={**api.headers, **HEADERS})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except HTTPError as error:
        return error.code


def spans_of_the_trace(collector: Collector) -> list[Span]:
    """Return the spans received so far that belong to the trace of the caller."""
    exports = [ExportTraceServiceRequest.FromString(body) for body in list(collector.bodies) if body[:1] != b"{"]
    scopes = [scope for export in exports for resource in export.resource_spans for scope in resource.scope_spans]
    return [span for scope in scopes for span in scope.spans if span.trace_id.hex() == TRACE]


def attributes(span: Span) -> dict[str, str]:
    return {item.key: item.value.string_value or str(item.value.int_value) for item in span.attributes}


def test_a_request_is_a_span_of_the_caller_s_trace(observed: Server, collector: Collector, api: Api, ana: str) -> None:
    assert call(observed, api, f"/api/v3/customers/{ana}/segments") == 200
    wait_for(lambda: any(span.kind == Span.SPAN_KIND_SERVER for span in spans_of_the_trace(collector)))
    (request,) = [span for span in spans_of_the_trace(collector) if span.kind == Span.SPAN_KIND_SERVER]
    assert request.name == "GET /api/v3/customers/<document_id:document_id>/segments"
    assert attributes(request)["request_id"] == "nightly-7"
    statements = [span for span in spans_of_the_trace(collector) if span.parent_span_id == request.span_id]
    assert any(attributes(span)["db.query.text"].startswith("SELECT") for span in statements)
    assert all(ana.encode() not in body for body in collector.bodies), "no data of customers"


def test_an_error_is_reported_without_data(observed: Server, collector: Collector, api: Api, ana: str) -> None:
    assert call(observed, api, f"/api/fail/{ana}?email=ana@example.com") == 500
    wait_for(lambda: any(b'"RuntimeError"' in body for body in collector.bodies))
    (envelope,) = [body for body in collector.bodies if b'"RuntimeError"' in body]
    event = next(json.loads(line) for line in envelope.splitlines() if b'"exception"' in line)
    (error,) = event["exception"]["values"]
    assert error["type"] == "RuntimeError"
    assert error["stacktrace"]["frames"][-1]["function"] == "fail"
    assert event["tags"]["request_id"] == "nightly-7"
    for secret in (ana, "ana@example.com", api.headers["Authorization"]):
        assert secret.encode() not in envelope, secret
