"""10,000 customers in one request: against the bare statement, against peers, and where the time goes."""

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
from bench.report import Report
from bench.service import SEGMENTS, Service, service
from bench.timing import Times, Work, alternating

SENT = 10_000
SLOW = {"tutorial": 4, "rest_framework": 2}
"""Peers whose turn comes in one round of so many."""

POSTGRESQL = (
    "UPDATE customers c SET segments = w.value FROM jsonb_each(%s) AS w(key, value) WHERE c.document_id = w.key"
)
SQLITE = "UPDATE customers SET segments = w.value FROM json_each(?) AS w WHERE document_id = w.key"


class Nights:
    """What a nightly job sends, drawn anew each time."""

    def __init__(self, stored: int) -> None:
        self.stored, self.dice = stored, random.Random(2)
        self.last: dataset.Customers = []

    def new(self) -> dataset.Customers:
        self.last = dataset.nightly(self.stored, SENT, self.dice)
        return self.last

    def mostly_the_last(self) -> dataset.Customers:
        """What was sent last, with one in twenty changed."""
        return [
            {**one, "segments": dataset.segments(self.dice)} if number % 20 == 0 else one
            for number, one in enumerate(self.last)
        ]


def bare(connection: Any, statement: str, customers: dataset.Customers) -> Work:
    wanted = orjson.dumps({row["document_id"]: row["segments"] for row in customers}).decode()
    return lambda: (connection.execute(statement, [wanted]), connection.commit())


def on_postgresql(report: Report, url: str, stored: int, rounds: int, folder: Path) -> None:
    report.section(
        f"{SENT:,} of {stored:,} customers × 3 segments replaced",
        "One request over HTTP, history and counts on, validation on, one worker; peers write no history.",
    )
    nights = Nights(stored)
    with ExitStack() as stack:
        ours = stack.enter_context(service(url, stored, folder))
        connection = stack.enter_context(closing(psycopg.connect(url)))
        at = {name: stack.enter_context(peers.serving(name, url, folder / name, 1)) for name in peers.PEERS}
        works = {
            "bare": lambda: bare(connection, POSTGRESQL, nights.new()),
            "ours": lambda: ours.replacing(nights.new()),
            "ours, 95 % unchanged": lambda: ours.replacing(nights.mostly_the_last()),
            **{name: partial(_peer, ours, nights, address) for name, address in at.items()},
        }
        times = alternating(works, rounds, every=SLOW)
        _told(report, times)
        report.table("PostgreSQL", "ratio of medians", "aim")
        report.aim("request ÷ bare `UPDATE … FROM jsonb_each`", times.ratio("ours", "bare"), at_most=1.35)
        report.aim("95 % of them unchanged ÷ all changed", times.ratio("ours, 95 % unchanged", "ours"), at_most=0.35)
        report.aim("Flask-SQLAlchemy tutorial ÷ ours", times.ratio("tutorial", "ours"), at_least=12)
        report.aim("Django REST framework ÷ ours", times.ratio("rest_framework", "ours"), at_least=4)
        report.aim("FastAPI with SQLAlchemy ÷ ours", times.ratio("fast_api", "ours"), at_least=1.6)
        where_the_time_goes(report, ours, nights, rounds)


def _peer(ours: Service, nights: Nights, address: str) -> Work:
    return ours.replacing(nights.new(), address)


def on_sqlite(report: Report, stored: int, rounds: int, folder: Path) -> None:
    report.section(f"The same on SQLite, {stored:,} customers", "The bare statement in `sqlite3`, on the same file.")
    file, nights = folder / "many.db", Nights(stored)
    with service(f"sqlite:///{file}", stored, folder) as ours, closing(sqlite3.connect(file)) as connection:
        works = {
            "bare": lambda: bare(connection, SQLITE, nights.new()),
            "ours": lambda: ours.replacing(nights.new()),
        }
        times = alternating(works, rounds)
    _told(report, times)
    report.table("SQLite", "ratio of medians", "aim")
    report.aim("request ÷ bare `UPDATE … FROM json_each`", times.ratio("ours", "bare"), at_most=1.5)


def _told(report: Report, times: Times) -> None:
    report.table("", "rounds", "median ms", "least", "most")
    for name, seconds in times.seconds.items():
        report.row(name, len(seconds), *times.spread(name).split())
    report.say()


def where_the_time_goes(report: Report, ours: Service, nights: Nights, rounds: int) -> None:
    """The same request in this process, each step with a watch of its own."""
    client = create_app({"DATABASE_URL": ours.url, "SECRET_KEY": "bench", "LOG_FORMAT": "json"}).test_client()
    taken: dict[str, list[float]] = defaultdict(list)

    def body() -> bytes:
        return orjson.dumps({"customers": nights.new()})

    def post(sent: bytes) -> None:
        with profile_steps.watched() as watched:
            client.post(SEGMENTS, data=sent, headers=ours.headers)
        for step, seconds in watched.items():
            taken[step].append(seconds)

    def post_without_history(sent: bytes) -> None:
        with profile_steps.without_history():
            client.post(SEGMENTS, data=sent, headers=ours.headers)

    gc.freeze()
    gc.set_threshold(200_000, 50, 100)  # as gunicorn.conf.py has it
    works = {
        "whole request": lambda: partial(post, body()),
        "whole request without history": lambda: partial(post_without_history, body()),
        "json.loads of the body": lambda: partial(json.loads, body()),
    }
    times = alternating(works, rounds)
    report.section("Where the time of that request goes", "In process, on PostgreSQL; medians.")
    report.table("step", "ms")
    for step, all_ in taken.items():
        report.row(step, f"{statistics.median(all_) * 1000:.1f}")
    for name in works:
        report.row(f"*{name}*", f"{times.median(name) * 1000:.1f}")
