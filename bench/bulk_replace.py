"""10,000 customers in one request: beside the bare statement and the peers, and where the time goes."""

import gc
import json
import random
import sqlite3
import statistics
from collections import defaultdict
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psycopg

from app import create_app
from bench import dataset, peers, profile_steps
from bench.report import BenchmarkReport
from bench.service import SEGMENTS, Service, service
from bench.timing import Times, Work, interleave

REQUEST_SIZE = 10_000
SLOW = {"tutorial": 4, "rest_framework": 2, **dict.fromkeys(peers.WITH_HISTORY.values(), 4)}
"""Peers that run only in each n-th round."""

TENTH = peers.WITH_HISTORY["tutorial"]
"""A peer that needs minutes for the request: it receives a tenth of it, and its time counts ten times."""

POSTGRESQL = (
    "UPDATE customers c SET segments = w.value FROM jsonb_each(%s) AS w(key, value) WHERE c.document_id = w.key"
)
SQLITE = "UPDATE customers SET segments = w.value FROM json_each(?) AS w WHERE document_id = w.key"


class NightlyBatches:
    """The requests of a nightly job, drawn at random each time."""

    def __init__(self, stored: int) -> None:
        self.stored, self.rng = stored, random.Random(2)
        self.last: dataset.CustomerList = []

    def new(self) -> dataset.CustomerList:
        self.last = dataset.nightly(self.stored, REQUEST_SIZE, self.rng)
        return self.last

    def mostly_unchanged(self) -> dataset.CustomerList:
        """Return the last request with one customer in twenty changed."""
        return [
            {**row, "segments": dataset.segments(self.rng)} if number % 20 == 0 else row
            for number, row in enumerate(self.last)
        ]


def bare_statement(connection: Any, statement: str, customers: dataset.CustomerList) -> Work:
    payload = orjson.dumps({row["document_id"]: row["segments"] for row in customers}).decode()
    return lambda: (connection.execute(statement, [payload]), connection.commit())


def measure_postgresql(report: BenchmarkReport, url: str, stored: int, rounds: int, folder: Path) -> None:
    report.section(
        f"{REQUEST_SIZE:,} of {stored:,} customers × 3 segments replaced",
        "One request over HTTP, history and counts on, validation on, one worker; peers without and with history.",
    )
    batches = NightlyBatches(stored)
    with ExitStack() as stack:
        ours = stack.enter_context(service(url, stored, folder))
        connection = stack.enter_context(closing(psycopg.connect(url)))
        addresses = _serve_peers(stack, url, folder)
        work = {
            "bare": lambda: bare_statement(connection, POSTGRESQL, batches.new()),
            "ours": lambda: ours.replacing(batches.new()),
            "ours, 95 % unchanged": lambda: ours.replacing(batches.mostly_unchanged()),
            **{name: partial(_peer, ours, batches, address) for name, address in addresses.items()},
            TENTH: partial(_peer, ours, batches, addresses[TENTH], REQUEST_SIZE // 10),
        }
        times = interleave(work, rounds, every=SLOW)
        times.scale(TENTH, 10)
        _report_times(report, times)
        report.table("PostgreSQL", "ratio of medians", "target")
        report.target("request ÷ bare `UPDATE … FROM jsonb_each`", times.ratio("ours", "bare"), maximum=1.25)
        report.target("95 % of them unchanged ÷ all changed", times.ratio("ours, 95 % unchanged", "ours"), maximum=0.40)
        report.target("Flask-SQLAlchemy tutorial ÷ ours", times.ratio("tutorial", "ours"), minimum=12)
        report.target("Django REST framework ÷ ours", times.ratio("rest_framework", "ours"), minimum=4)
        report.target("FastAPI with SQLAlchemy ÷ ours", times.ratio("fast_api", "ours"), minimum=1.6)
        for label, minimum in zip(peers.WITH_HISTORY.values(), (20, 8, 4), strict=True):
            report.target(f"{label} ÷ ours", times.ratio(label, "ours"), minimum=minimum)
        where_the_time_goes(report, ours, batches, rounds)


def _serve_peers(stack: ExitStack, url: str, folder: Path) -> dict[str, str]:
    """Serve every peer without and with history, and return their addresses."""
    addresses = {}
    for name, label in peers.WITH_HISTORY.items():
        addresses[name] = stack.enter_context(peers.serving(name, url, folder / name, 1))
        addresses[label] = stack.enter_context(peers.serving(name, url, folder / f"{name}-history", 1, history=True))
    return addresses


def _peer(ours: Service, batches: NightlyBatches, address: str, size: int = REQUEST_SIZE) -> Work:
    return ours.replacing(batches.new()[:size], address)


def measure_sqlite(report: BenchmarkReport, stored: int, rounds: int, folder: Path) -> None:
    report.section(f"The same on SQLite, {stored:,} customers", "The bare statement in `sqlite3`, on the same file.")
    file, batches = folder / "many.db", NightlyBatches(stored)
    with service(f"sqlite:///{file}", stored, folder) as ours, closing(sqlite3.connect(file)) as connection:
        work = {
            "bare": lambda: bare_statement(connection, SQLITE, batches.new()),
            "ours": lambda: ours.replacing(batches.new()),
        }
        times = interleave(work, rounds)
    _report_times(report, times)
    report.table("SQLite", "ratio of medians", "target")
    report.target("request ÷ bare `UPDATE … FROM json_each`", times.ratio("ours", "bare"), maximum=1.4)


def measure_small(report: BenchmarkReport, url: str, stored: int, rounds: int, folder: Path) -> None:
    report.section(
        f"{REQUEST_SIZE:,} of {stored:,} customers",
        "The same request to a small shop, beside the bare statement on both databases.",
    )
    batches, file = NightlyBatches(stored), folder / "few.db"
    with (
        service(url, stored, folder / "postgresql") as postgresql,
        service(f"sqlite:///{file}", stored, folder) as sqlite,
        closing(psycopg.connect(url)) as to_postgresql,
        closing(sqlite3.connect(file)) as to_sqlite,
    ):
        work = {
            "PostgreSQL, bare": lambda: bare_statement(to_postgresql, POSTGRESQL, batches.new()),
            "PostgreSQL, ours": lambda: postgresql.replacing(batches.new()),
            "SQLite, bare": lambda: bare_statement(to_sqlite, SQLITE, batches.new()),
            "SQLite, ours": lambda: sqlite.replacing(batches.new()),
        }
        times = interleave(work, rounds)
    _report_times(report, times)
    report.table(f"{stored:,} stored", "ratio of medians", "target")
    for kind, maximum in (("PostgreSQL", 1.8), ("SQLite", 1.7)):
        ratio = times.ratio(f"{kind}, ours", f"{kind}, bare")
        report.target(f"request ÷ bare on {kind}, {stored:,} stored", ratio, maximum=maximum)


def _report_times(report: BenchmarkReport, times: Times) -> None:
    report.table("", "rounds", "median ms", "minimum", "maximum")
    for name, seconds in times.seconds.items():
        report.row(name, len(seconds), *times.spread(name).split())
    report.line()


def where_the_time_goes(report: BenchmarkReport, ours: Service, batches: NightlyBatches, rounds: int) -> None:
    """Time each step of the same request in this process."""
    client = create_app(
        {"DATABASE_URL": ours.url, "SECRET_KEY": "only-for-tests-0123456789", "LOG_FORMAT": "json"}
    ).test_client()
    step_times: dict[str, list[float]] = defaultdict(list)

    def body() -> bytes:
        return orjson.dumps({"customers": batches.new()})

    def post(request_body: bytes) -> None:
        with profile_steps.timed_steps() as steps:
            client.post(SEGMENTS, data=request_body, headers=ours.headers)
        for step, seconds in steps.items():
            step_times[step].append(seconds)

    def post_without_history(request_body: bytes) -> None:
        with profile_steps.without_history():
            client.post(SEGMENTS, data=request_body, headers=ours.headers)

    gc.freeze()
    gc.set_threshold(200_000, 50, 100)  # as gunicorn.conf.py has it
    work = {
        "whole request": lambda: partial(post, body()),
        "whole request without history": lambda: partial(post_without_history, body()),
        "json.loads of the body": lambda: partial(json.loads, body()),
    }
    times = interleave(work, rounds)
    report.section("Where the time of that request goes", "In process, on PostgreSQL; medians.")
    report.table("step", "ms")
    for step, values in step_times.items():
        report.row(step, f"{statistics.median(values) * 1000:.1f}")
    for name in work:
        report.row(f"*{name}*", f"{times.median(name) * 1000:.1f}")
