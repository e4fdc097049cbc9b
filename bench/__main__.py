"""`make bench`: 10,000 of a million customers replaced, on PostgreSQL."""

import argparse
import gc
import json
import random
import statistics
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import flask_migrate
import orjson
import psycopg

from app import create_app
from app.core.database import db
from app.core.tokens import create_token
from bench import shop, steps
from tests import postgresql
from tests.gunicorn import serving

URL = "/api/v3/customers/segments"
BARE = """
UPDATE customers c SET segments = w.value FROM jsonb_each(%s) AS w(key, value) WHERE c.document_id = w.key
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--customers", type=int, default=1_000_000, help="how many are stored")
    parser.add_argument("--sent", type=int, default=10_000, help="how many a request replaces")
    parser.add_argument("--rounds", type=int, default=15, help="after two that do not count")
    options = parser.parse_args()
    with postgresql.running() as url:
        measure(url, options.customers, options.sent, options.rounds)


def measure(url: str, stored: int, sent: int, rounds: int) -> None:
    environ = {"DATABASE_URL": url, "SECRET_KEY": "bench", "WEB_CONCURRENCY": "1", "LOG_FORMAT": "json"}
    app = create_app(environ)
    dice = random.Random(1)
    with app.app_context():
        flask_migrate.upgrade()
        headers = {"Authorization": f"Bearer {create_token('bench')}", "Content-Type": "application/json"}
    client = app.test_client()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)  # as gunicorn.conf.py has it

    with psycopg.connect(url) as connection, tempfile.TemporaryDirectory() as folder:
        print(f"{stored:,} customers are stored …", flush=True)
        with app.app_context():
            shop.fill(db.engine, stored, dice)
        with serving(environ, Path(folder) / "log") as server:
            times: dict[str, list[float]] = defaultdict(list)

            def bare(customers: shop.Customers) -> None:
                wanted = orjson.dumps({row["document_id"]: row["segments"] for row in customers}).decode()
                clock("bare UPDATE", lambda: (connection.execute(BARE, [wanted]), connection.commit()))

            def over_http(customers: shop.Customers) -> None:
                request = urllib.request.Request(server.address + URL, orjson.dumps({"customers": customers}), headers)
                clock("request over HTTP", lambda: urllib.request.urlopen(request).read())

            def in_process(customers: shop.Customers) -> None:
                body = orjson.dumps({"customers": customers})
                with steps.watched() as watched:
                    clock("request in process", lambda: client.post(URL, data=body, headers=headers))
                for step, seconds in watched.items():
                    times[f"  {step}"].append(seconds)

            def no_history(customers: shop.Customers) -> None:
                body = orjson.dumps({"customers": customers})
                with steps.without_history(), steps.watched() as watched:
                    clock("request without history", lambda: client.post(URL, data=body, headers=headers))
                times["  its statement"].append(watched["statement and history"])
                clock("json.loads of the body", lambda: json.loads(body))

            def clock(name: str, work: Callable[[], object]) -> None:
                started = time.perf_counter()
                work()
                times[name].append(time.perf_counter() - started)

            for _ in range(rounds + 2):
                for measured in (bare, over_http, in_process, no_history):
                    measured(shop.nightly(stored, sent, dice))

    report({name: seconds[2:] for name, seconds in times.items()}, sent)


def report(times: dict[str, list[float]], sent: int) -> None:
    print(f"\n{sent:,} customers × 3 segments replaced, PostgreSQL; medians of {len(times['bare UPDATE'])} rounds\n")
    print(f"{'':28}{'ms':>8}{'min':>8}{'max':>8}")
    for name, seconds in times.items():
        low, middle, high = (value * 1000 for value in (min(seconds), statistics.median(seconds), max(seconds)))
        print(f"{name:28}{middle:8.1f}{low:8.1f}{high:8.1f}")
    print()
    for one, other in (("request over HTTP", "bare UPDATE"), ("request in process", "request without history")):
        print(f"{one} ÷ {other}: {ratio(times, one, other):.2f}")


def ratio(times: dict[str, list[float]], one: str, other: str) -> float:
    return statistics.median(times[one]) / statistics.median(times[other])


if __name__ == "__main__":
    main()
