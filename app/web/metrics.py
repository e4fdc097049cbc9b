"""/metrics for Prometheus, summed over all workers.

The workers share the folder PROMETHEUS_MULTIPROC_DIR, which gunicorn.conf.py creates. Without the folder a process
reports its own values only.
"""

import os
import time
from contextlib import suppress

from flask import Blueprint, Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import event, func, select
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.change_set_builder import CHANGE_SETS_KEY
from app.core.counts.segment_counts import SegmentCount
from app.core.database import db

REQUESTS = Counter("http_requests", "Requests answered.", ["method", "route", "status"])
REQUEST_DURATION = Histogram("http_request_duration_seconds", "Duration of requests.", ["route"])
CUSTOMERS_UPDATED = Counter(
    "customers_updated", "Customers in change sets, by whether their segments changed.", ["source", "outcome"]
)
TRANSACTION_RETRIES = Counter(
    "transaction_retries", "Statements that failed because of a concurrent transaction and were retried."
)
CONNECTIONS = Gauge("database_connections_in_use", "Database connections in use.", multiprocess_mode="livesum")

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
"""Clients can invent methods, and each label value takes memory: all others count as `other`."""

blueprint = Blueprint("metrics", __name__)


def init_app(app: Flask) -> None:
    app.after_request(_count)
    with app.app_context():
        event.listen(db.engine, "handle_error", _count_retry)
    if not event.contains(Session, "after_commit", _count_customers):
        event.listen(Session, "after_commit", _count_customers)


def _count(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "none"
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(method, route, response.status_code).inc()
    REQUEST_DURATION.labels(route).observe(time.perf_counter() - g.started)
    CONNECTIONS.set(_in_use(db.engine))
    return response


def _in_use(engine: Engine) -> int:
    return getattr(engine.pool, "checkedout", int)()


def _count_customers(session: Session) -> None:
    for change_set in session.info.pop(CHANGE_SETS_KEY, []):
        CUSTOMERS_UPDATED.labels(change_set.actor.source, "changed").inc(change_set.changed)
        CUSTOMERS_UPDATED.labels(change_set.actor.source, "unchanged").inc(change_set.unchanged)


def _count_retry(context: ExceptionContext) -> None:
    if context.sqlalchemy_exception is not None and dialects.is_retryable(context.sqlalchemy_exception):
        TRANSACTION_RETRIES.inc()


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return the values of all workers and the length of the ledger of counts."""
    registry: CollectorRegistry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    exposition = generate_latest(registry) + generate_latest(_ledger())
    return Response(exposition, content_type=CONTENT_TYPE_LATEST)


def _ledger() -> CollectorRegistry:
    """Return the length of the ledger; nothing while the database is unavailable, so that the rest is still served."""
    registry = CollectorRegistry()
    with suppress(SQLAlchemyError):
        rows = db.session.scalars(select(func.count()).select_from(SegmentCount)).one()
        Gauge("segment_count_ledger_rows", "Rows in the ledger of segment counts.", registry=registry).set(rows)
    return registry
