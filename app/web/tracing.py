"""Spans of OpenTelemetry for requests and statements; imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set.

A span has what is listed here and nothing else. OpenTelemetry's own instrumentation of Flask and SQLAlchemy also
records paths, queries, addresses and the messages of the database, all of which can hold data of customers.
"""

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g, request
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import Engine, event

from app.core.database import db

OK, ERROR = trace.StatusCode.OK, trace.StatusCode.ERROR

_PROPAGATOR = TraceContextTextMapPropagator()


def init_app(app: Flask) -> None:
    """Send a span for each request, as a part of the caller's trace, with one for each statement in it."""
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "customer-segments"}))
    provider.add_span_processor(BatchSpanProcessor(_exporter(app.config)))
    tracer = provider.get_tracer(__name__)
    app.before_request(lambda: _start_request(tracer))
    app.after_request(_describe_response)
    app.teardown_request(_end_request)
    with app.app_context():
        for engine in db.engines.values():
            _trace_statements(engine, tracer)


def _exporter(config: Mapping[str, Any]) -> OTLPSpanExporter:
    return OTLPSpanExporter(endpoint=config["OTEL_EXPORTER_OTLP_ENDPOINT"].rstrip("/") + "/v1/traces")


def _start_request(tracer: trace.Tracer) -> None:
    route = request.url_rule.rule if request.url_rule else "none"
    g.span = tracer.start_span(
        f"{request.method} {route}",
        context=_PROPAGATOR.extract({name.lower(): value for name, value in request.headers}),
        kind=trace.SpanKind.SERVER,
        attributes={"http.request.method": request.method, "http.route": route, "request_id": g.request_id},
    )
    g.span_token = context.attach(trace.set_span_in_context(g.span))


def _describe_response(response: Response) -> Response:
    g.span.set_attribute("http.response.status_code", response.status_code)
    g.span.set_status(ERROR if response.status_code >= 500 else OK)
    return response


def _end_request(_error: BaseException | None) -> None:
    if "span" in g:
        context.detach(g.span_token)
        g.span.end()


def _trace_statements(engine: Engine, tracer: trace.Tracer) -> None:
    def start(_connection: Any, _cursor: Any, statement: str, _parameters: Any, execution: Any, _many: bool) -> None:
        if trace.get_current_span().is_recording():  # not for background tasks, which look for work all the time
            attributes = {"db.system.name": engine.dialect.name, "db.query.text": statement}
            name = statement.lstrip().partition(" ")[0]
            execution.span = tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes)

    def end(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, execution: Any, _many: bool) -> None:
        if hasattr(execution, "span"):
            execution.span.end()

    def fail(failure: Any) -> None:
        if hasattr(failure.execution_context, "span"):
            failure.execution_context.span.set_status(ERROR)
            failure.execution_context.span.end()

    event.listen(engine, "before_cursor_execute", start)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail)
