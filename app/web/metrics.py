"""/metrics for Prometheus, summed over all workers.

The workers share the folder PROMETHEUS_MULTIPROC_DIR, which gunicorn.conf.py creates. Without the folder a process
reports its own values only.
"""

import os
import time
from contextlib import suppress
from typing import Any

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
from app.core.dialects.diagnostics import replica_facts
from app.core.models.missed_nights import MissedNight
from app.core.models.segment_alerts import CONDITIONS, SegmentAlert
from app.core.replicas import ReplicaErrors, replica, short_timeout_engine
from app.jobs.jobs import Job
from app.jobs.states import JobState
from app.web import metric_files
from app.webhooks.models import PENDING, WebhookDelivery

metric_files.install()

REQUESTS = Counter("http_requests", "Requests answered.", ["method", "route", "status"])
REQUEST_DURATION = Histogram("http_request_duration_seconds", "Duration of requests.", ["route"])
CUSTOMERS_UPDATED = Counter(
    "customers_updated", "Customers in change sets, by whether their segments changed.", ["source", "outcome"]
)
TRANSACTION_RETRIES = Counter(
    "transaction_retries", "Statements that failed because of a concurrent transaction and were retried."
)
CONNECTIONS = Gauge("database_connections_in_use", "Database connections in use.", multiprocess_mode="livesum")
FEED_WAITS = Gauge(
    "feed_requests_waiting", "Requests that wait for a change, without a thread.", multiprocess_mode="livesum"
)

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
"""Clients can invent methods, and each label value takes memory: all others count as `other`."""

blueprint = Blueprint("metrics", __name__)


def init_app(app: Flask) -> None:
    app.after_request(_count)
    with app.app_context():
        for engine in db.engines.values():
            event.listen(engine, "handle_error", _count_retry)
    if not event.contains(Session, "after_commit", _count_customers):
        event.listen(Session, "after_commit", _count_customers)


def _count(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "none"
    method = request.method if request.method in METHODS else "other"
    with suppress(OSError):  # no space for another value: the response matters more
        REQUESTS.labels(method, route, response.status_code).inc()
        REQUEST_DURATION.labels(route).observe(time.perf_counter() - g.started)
        CONNECTIONS.set(sum(map(_in_use, db.engines.values())))
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
    """Return the values of all workers, and those that are read from the database."""
    registry: CollectorRegistry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    exposition = generate_latest(registry) + generate_latest(_database_gauges()) + generate_latest(_replica_gauges())
    return Response(exposition, content_type=CONTENT_TYPE_LATEST)


def _database_gauges() -> CollectorRegistry:
    """Return the gauges read from the database; none while it is unavailable, so that the rest is still served."""
    registry = CollectorRegistry()
    with suppress(SQLAlchemyError):
        ledger = db.session.scalars(select(func.count()).select_from(SegmentCount)).one()
        jobs, deliveries = _count_by(Job.state), _count_by(WebhookDelivery.state)
        Gauge("segment_count_ledger_rows", "Rows in the ledger of segment counts.", registry=registry).set(ledger)
        gauge = Gauge("jobs", "Imports and bulk edits, by state.", ["state"], registry=registry)
        for state in JobState:
            gauge.labels(str(state)).set(jobs.get(str(state), 0))
        raised = _count_by(SegmentAlert.condition, SegmentAlert.raised_id.is_not(None))
        alerts = Gauge("segment_alerts_raised", "Raised alerts, by condition.", ["condition"], registry=registry)
        for condition in CONDITIONS:
            alerts.labels(condition).set(raised.get(condition, 0))
        pending = Gauge("webhook_deliveries_pending", "Webhook deliveries to be sent.", registry=registry)
        pending.set(deliveries.get(PENDING, 0))
        nights = select(func.count()).select_from(MissedNight).where(MissedNight.ended_at.is_(None))
        missed = Gauge("missed_nights", "Nightly senders who have not come when they usually have.", registry=registry)
        missed.set(db.session.scalars(nights).one())
    return registry


def _replica_gauges() -> CollectorRegistry:
    """Return whether the replica answers and how far it is behind; nothing if there is none."""
    registry, engine = CollectorRegistry(), replica()
    if engine is None:
        return registry
    up = Gauge("replica_up", "Whether the replica of the database answers.", registry=registry)
    with suppress(*ReplicaErrors), short_timeout_engine(engine).connect() as connection:
        facts = replica_facts(db.session.connection(), connection)
        up.set(1)
        seconds = Gauge("replica_lag_seconds", "Age of the last transaction replayed; 0 if all are.", registry=registry)
        seconds.set(facts.lag_seconds)
        size = Gauge("replica_lag_bytes", "Write-ahead log that the replica has not replayed.", registry=registry)
        size.set(facts.lag_bytes)
    return registry


def _count_by(column: Any, *among: Any) -> dict[str, int]:
    query = select(column, func.count()).where(*among).group_by(column)
    return {str(value): count for value, count in db.session.execute(query)}
