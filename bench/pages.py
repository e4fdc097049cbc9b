"""Response times of the pages with many customers beside the same pages with a thousand: `python -m bench.pages`.

And what the index of trigrams, by which parts of a text are found, adds to a write of 10,000 profiles.
"""

import argparse
import gc
import random
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import flask_migrate
from flask.testing import FlaskClient
from sqlalchemy import create_engine, make_url

from app import create_app
from app.access.authentication import sign_in
from app.access.operators import create_operator
from app.access.sessions import ClientInfo
from app.core.changes.profiles import upsert_customers
from app.core.database import db, run_in_transaction
from app.web.cursors import encode_cursor
from bench import dataset
from bench.servers import postgresql

FEW = 1_000
PAGE_SIZE = 50
WRITE_ROUNDS = 5
DROP_INDEX = {"postgresql": "DROP INDEX ix_customer_search_terms", "sqlite": "DROP TRIGGER customer_terms_update"}

cursors: dict[int, str] = {}


def pages(stored: int) -> dict[str, str]:
    middle = dataset.document_id(stored // 2)
    return {
        "first page": "/customers",
        "first page by name": "/customers?sort=name",
        "hundredth page": f"/customers?after={cursors[stored]}",
        "search by id": f"/customers?q={middle}&has=any",  # the id alone would lead to the customer
        "search by e-mail": f"/customers?q=c{stored // 2}@example.com",
        "catalogue": "/segments",
        "search by name": "/customers?q=gomez",
        "search by two names": "/customers?q=ana+gomez",
        "search by part of a name": "/customers?q=gome",
        "search by end of a phone": f"/customers?q={stored // 2:06}",
        "search by part of an e-mail": f"/customers?q={stored // 2}@exa",
        "filter by a rare segment": "/customers?segment=vip:YES",
        "filter by a common segment": "/customers?segment=membership:GOLD",
        "filter by two together": "/customers?segment=membership:GOLD&segment=store:STORE_007",
        "name and segment": "/customers?q=gomez&segment=store:STORE_007",
        "overview": "/",
        "one customer": f"/customers/{middle}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pages")
    parser.add_argument("--postgresql", type=int, default=1_000_000, help="customers stored on PostgreSQL")
    parser.add_argument("--sqlite", type=int, default=200_000, help="customers stored on SQLite")
    parser.add_argument("--rounds", type=int, default=30, help="after three that do not count")
    parser.add_argument("--writes", type=int, default=10_000, help="profiles written at once")
    options = parser.parse_args()
    with postgresql.running() as server, tempfile.TemporaryDirectory() as folder:
        administrator = create_engine(
            make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
        )
        for kind, many in (("PostgreSQL", options.postgresql), ("SQLite", options.sqlite)):
            browsers = {}
            for stored in (FEW, many):
                if kind == "PostgreSQL":
                    administrator.connect().exec_driver_sql(f"CREATE DATABASE pages_{stored}")
                    url = make_url(server).set(database=f"pages_{stored}").render_as_string(hide_password=False)
                else:
                    url = f"sqlite:///{Path(folder) / f'{stored}.db'}"
                browsers[stored] = browser(url, stored)
            measure(kind, browsers, options.rounds)
            measure_writes(browsers[many], options.writes)
        administrator.dispose()


def browser(url: str, stored: int) -> FlaskClient:
    """Return a signed-in client, in this process, of a shop with `stored` customers."""
    app = create_app({"DATABASE_URL": url, "SECRET_KEY": "only-for-tests-0123456789", "LOG_FORMAT": "json"})
    with app.app_context():
        flask_migrate.upgrade()
        dataset.fill(db.engine, stored, random.Random(1))
        create_operator("bench@example.com", "viewer", "bench bench bench")
        secret = sign_in("bench@example.com", "bench bench bench", ClientInfo("bench", "127.0.0.1")).secret
    hundredth = min(100, stored // PAGE_SIZE)  # the last page of a thousand customers
    with app.test_request_context("/customers"):
        cursors[stored] = encode_cursor(dataset.document_id((hundredth - 1) * PAGE_SIZE - 1))
    client = app.test_client()
    with client.session_transaction() as session:
        session["sign_in"] = secret
    return client


def measure(kind: str, browsers: dict[int, FlaskClient], rounds: int) -> None:
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)  # as gunicorn.conf.py has it
    times: dict[tuple[str, int], list[float]] = defaultdict(list)
    for turn in range(rounds + 3):
        for stored, client in browsers.items():
            for name, path in pages(stored).items():
                started = time.perf_counter()
                response = client.get(path, headers={"X-Part": "results"})
                duration = time.perf_counter() - started
                assert response.status_code == 200, (path, response.status)
                if turn >= 3:
                    times[name, stored].append(duration * 1000)
    few, many = browsers
    print(f"\n{kind}: medians of {rounds} rounds in ms\n")
    print(f"{'':28}{few:>12,}{many:>12,}{'ratio':>8}")
    for name in pages(many):
        small, large = (statistics.median(times[name, stored]) for stored in (few, many))
        print(f"{name:28}{small:12.1f}{large:12.1f}{large / small:8.2f}", flush=True)


def measure_writes(client: FlaskClient, count: int) -> None:
    """Print how long it takes to write new phones of customers, with the index of trigrams and without it."""
    with client.application.app_context():
        with_index = [write_phones(count, turn) for turn in range(WRITE_ROUNDS)]
        with db.engine.begin() as connection:
            connection.exec_driver_sql(DROP_INDEX[db.engine.dialect.name])
        without_index = [write_phones(count, WRITE_ROUNDS + turn) for turn in range(WRITE_ROUNDS)]
    slow, fast = statistics.median(with_index), statistics.median(without_index)
    print(f"\n{count:,} profiles written in s: {slow:.2f} with trigrams, {fast:.2f} without, {slow - fast:+.2f}")
    print(
        f"each with: {[round(s, 2) for s in with_index]}, without: {[round(s, 2) for s in without_index]}", flush=True
    )


def write_phones(count: int, turn: int) -> float:
    """Give the first customers other phones; return the seconds that it takes."""
    rows = [{"document_id": dataset.document_id(n), "phone": f"+57 {turn}{n:09}"} for n in range(count)]
    started = time.perf_counter()
    run_in_transaction(lambda session: upsert_customers(session, rows))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
