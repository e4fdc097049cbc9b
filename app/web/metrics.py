"""What whoever runs it watches: /metrics for Prometheus, summed over all workers.

Workers share a folder, PROMETHEUS_MULTIPROC_DIR, which gunicorn.conf.py makes; without one a process tells of itself.
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
from app.core.changes.replace_segments import CHANGE_SETS_KEY
from app.core.counts.segment_counts import SegmentCount
from app.core.database import db

REQUESTS = Counter("segments_requests", "Requests answered.", ["method", "route", "status"])
REQUEST_DURATION = Histogram("segments_request_seconds", "How long requests took.", ["route"])
CUSTOMERS = Counter(
    "segments_customers", "Customers whose segments were changed, or were as wanted.", ["source", "outcome"]
)
TRANSACTION_RETRIES = Counter(
    "segments_collisions", "Statements that failed by coincidence with another transaction: tried again."
)
CONNECTIONS = Gauge("segments_connections", "Database connections in use.", multiprocess_mode="livesum")

blueprint = Blueprint("metrics", __name__)


def init_app(app: Flask) -> None:
    app.after_request(_count)
    with app.app_context():
        event.listen(db.engine, "handle_error", _count_retry)
    if not event.contains(Session, "after_commit", _count_customers):
        event.listen(Session, "after_commit", _count_customers)


def _count(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "none"
    REQUESTS.labels(request.method, route, response.status_code).inc()
    REQUEST_DURATION.labels(route).observe(time.perf_counter() - g.started)
    CONNECTIONS.set(_in_use(db.engine))
    return response


def _in_use(engine: Engine) -> int:
    return getattr(engine.pool, "checkedout", int)()


def _count_customers(session: Session) -> None:
    for change_set in session.info.pop(CHANGE_SETS_KEY, []):
        CUSTOMERS.labels(change_set.actor.source, "changed").inc(change_set.changed)
        CUSTOMERS.labels(change_set.actor.source, "unchanged").inc(change_set.unchanged)


def _count_retry(context: ExceptionContext) -> None:
    if context.sqlalchemy_exception is not None and dialects.is_retryable(context.sqlalchemy_exception):
        TRANSACTION_RETRIES.inc()


@blueprint.get("/metrics")
def metrics() -> Response:
    """What all workers counted, and how long the ledger of counts is."""
    registry: CollectorRegistry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    told = generate_latest(registry) + generate_latest(_ledger())
    return Response(told, content_type=CONTENT_TYPE_LATEST)


def _ledger() -> CollectorRegistry:
    """Empty while the database is away: what the workers counted is told all the same."""
    registry = CollectorRegistry()
    with suppress(SQLAlchemyError):
        rows = db.session.scalars(select(func.count()).select_from(SegmentCount)).one()
        Gauge("segments_count_ledger_rows", "Length of the ledger of counts.", registry=registry).set(rows)
    return registry
