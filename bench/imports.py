"""A large file with bad lines, loaded through the page in a real browser while its workers are killed; and its rate.

    python -m bench.imports [--postgresql 1000000] [--sqlite 200000]

Says whether every bad line was reported by its number, all others were applied, and an undo brought back the state
before; how much memory the workers took; and how long an import takes beside the database's own bulk load (COPY, or
`executemany` in one transaction) of the same rows into the same tables.
"""

import argparse
import csv
import gc
import io
import os
import random
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import flask_migrate
import orjson
from flask import Flask
from playwright.sync_api import Page
from sqlalchemy import text

from app import create_app
from app.core.changes import Actor
from app.core.database import db
from app.core.operators import create_operator
from app.files.applying import apply, staged
from app.files.reading import opened
from bench import shop
from tests import postgresql
from tests.browser import EDITOR, Visit, chromium, visit
from tests.gunicorn import Server, serving
from tests.pages import PASSWORD

BAD_LINES = 1_000
HEADER = ("document_id", "name", "email", "phone", "segments")
BAD: tuple[Callable[[str], bytes], ...] = (
    lambda id_: b",Ana,a@x.co,1,[]",
    lambda id_: b"x" * 513 + b",Ana,a@x.co,1,[]",
    lambda id_: f"{id_},{'n' * 1001},a@x.co,1,[]".encode(),
    lambda id_: f"{id_},Ana,{'e' * 513},1,[]".encode(),
    lambda id_: f"{id_},Ana,a@x.co,{'1' * 101},[]".encode(),
    lambda id_: f"{id_},Ana".encode(),
    lambda id_: f"{id_},Ana,a@x.co,1,[],more".encode(),
    lambda id_: f"{id_},A\0na,a@x.co,1,[]".encode(),
    lambda id_: f"{id_},A".encode() + b"\xff" + b"na,a@x.co,1,[]",
    lambda id_: f"{id_},Ana,a@x.co,1,GOLD".encode(),
    lambda id_: f"{id_},Ana,a@x.co,1,{{}}".encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"""GOLD"""'.encode(),
    lambda id_: f"{id_},Ana,a@x.co,1,7".encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"[""GOLD""]"'.encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"[{{""value"": ""GOLD""}}]"'.encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"[{{""type"": ""membership""}}]"'.encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"[{{""type"": null, ""value"": ""GOLD""}}]"'.encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"[{{""type"": ""membership"", ""value"": 7}}]"'.encode(),
    lambda id_: f"{id_},Ana,a@x.co,1,[[]]".encode(),
    lambda id_: f'"{id_}"x,Ana,a@x.co,1,[]'.encode(),
)
"""Twenty kinds of lines that cannot be applied."""

Wanted = dict[str, tuple[str, bytes]]
"""`{document_id: (name, segments as JSON)}`."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=__doc__.split("\n")[0])
    parser.add_argument("--postgresql", type=int, default=1_000_000, help="rows of the file; 0 leaves it out")
    parser.add_argument("--sqlite", type=int, default=200_000, help="rows of the file; 0 leaves it out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.postgresql:
            for measure in (loaded, rate):
                with postgresql.running() as url:
                    measure(url, options.postgresql, Path(folder))
        if options.sqlite:
            for measure in (loaded, rate):
                measure(f"sqlite:///{folder}/{measure.__name__}.db", options.sqlite, Path(folder))


# What is in the file


def write_file(path: Path, rows: int, stored: int, bad: int, dice: random.Random) -> tuple[Wanted, list[int]]:
    """A file of so many rows, nine in ten of them of stored customers; what it wants, and the numbers of bad lines."""
    wanted: Wanted = {}
    bad_at = set(dice.sample(range(rows), bad))
    with path.open("wb") as file:
        file.write(",".join(HEADER).encode() + b"\n")
        for n in range(rows):
            number = n if n % 10 else stored + n
            id_ = shop.document_id(number)
            if n in bad_at:
                file.write(BAD[n % len(BAD)](id_) + b"\n")
                continue
            facts, segments = shop.facts(number + 1), orjson.dumps(shop.segments(dice))
            line = io.StringIO(newline="")
            csv.writer(line, lineterminator="\n").writerow([id_, *facts.values(), segments.decode()])
            file.write(line.getvalue().encode())
            wanted[id_] = (facts["name"], segments)
    return wanted, sorted(n + 2 for n in bad_at)


# Through the page


def loaded(url: str, rows: int, folder: Path) -> None:
    app, dice = _prepared(url), random.Random(5)
    print(f"\n{db_name(url)}: {rows:,} rows, {BAD_LINES:,} of them bad", flush=True)
    with app.app_context():
        shop.fill(db.engine, rows, dice)
        create_operator(EDITOR, "editor", PASSWORD)
        before = checksum()
    file = folder / "customers.csv"
    wanted, bad = write_file(file, rows, rows, BAD_LINES, dice)
    environ = {"DATABASE_URL": url, "SECRET_KEY": "bench", "WEB_CONCURRENCY": "2"}
    with serving(environ, folder / "log") as server, chromium() as browser, watched(server) as memory:
        at = visit(browser, server.address, EDITOR)
        at.context.set_default_timeout(600_000)
        started = time.perf_counter()
        _load(at, server, file, memory)
        print(f"  from the upload to the result, with two kills: {time.perf_counter() - started:.0f} s")
        first, last = memory["first"], memory["most"]
        print(
            f"  memory of a worker: {first} MB before, {last} MB at most, the file has {file.stat().st_size >> 20} MB"
        )
        with app.app_context():
            told = [line for (line,) in db.session.execute(text("SELECT line FROM rejected_lines ORDER BY number"))]
            say("every bad line reported by its number", told == bad)
            say("all others applied", _as_wanted(wanted, rows))
            sets = db.session.execute(text("SELECT count(*) FROM change_sets")).scalar()
            say("one change set", sets == 1)
        _undo(at.page)
        with app.app_context():
            say("the undo brought back the state before", checksum() == before)


def _load(at: Visit, server: Server, file: Path, memory: dict[str, int]) -> None:
    page = at.go("/imports")
    page.get_by_label("CSV or JSON Lines").set_input_files(file)
    page.get_by_role("button", name="Look into the file").click()
    page.get_by_role("button", name="See what it would do").click()
    page.get_by_role("button", name=re.compile("^Apply to")).wait_for()
    told = page.locator(".figures").inner_text().split("\n")
    print("  preview:", ", ".join(f"{number} {what}" for what, number in zip(told[::2], told[1::2], strict=False)))
    page.get_by_role("button", name=re.compile("^Apply to")).click()
    for phase in ("Reading", "Applying"):
        page.get_by_text(re.compile(f"^{phase}")).wait_for()
        page.wait_for_timeout(1_500)
        busiest = max(server.workers(), key=_cpu)
        os.kill(busiest, signal.SIGKILL)
        print(f"  killed a worker while the page said “{page.locator('[data-follow] label').inner_text()}”", flush=True)
        time.sleep(1)
    page.get_by_text("This is change").wait_for()


def _undo(page: Page) -> None:
    page.get_by_role("link", name="Undo this import").click()
    started = time.perf_counter()
    page.get_by_role("button", name=re.compile("^Put back")).click()
    page.get_by_text(re.compile("as before")).wait_for()
    print(f"  undone in {time.perf_counter() - started:.0f} s")


def _cpu(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@contextmanager
def watched(server: Server) -> Iterator[dict[str, int]]:
    """The resident memory of the workers, in MB: of the largest one at first, and at most."""
    memory, over = {"first": max(map(_resident, server.workers())), "most": 0}, Event()

    def watch() -> None:
        while not over.wait(0.2):
            memory["most"] = max(memory["most"], *map(_resident, server.workers()), 0)

    thread = Thread(target=watch)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()


def _resident(pid: int) -> int:
    try:
        return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) >> 10
    except (OSError, IndexError):  # just killed
        return 0


def _as_wanted(wanted: Wanted, stored: int) -> bool:
    query = text("SELECT document_id, name, segments FROM customers")
    there = 0
    for id_, name, segments in db.session.execute(query.execution_options(yield_per=10_000)):
        if id_ in wanted:
            there += 1
            held = orjson.loads(segments) if isinstance(segments, str) else segments
            if (name, orjson.dumps([{"type": s["type"], "value": s["value"]} for s in held])) != wanted[id_]:
                return False
        elif int(id_) >= stored:
            return False
    return there == len(wanted)


def checksum() -> int:
    """Of everything known of every customer."""
    total = 0
    query = text("SELECT document_id, name, email, phone, segments FROM customers")
    for row in db.session.execute(query.execution_options(yield_per=10_000)):
        held = orjson.loads(row[4]) if isinstance(row[4], str) else row[4]
        total ^= hash((*row[:4], *((one["type"], one["value"]) for one in held)))
    db.session.remove()
    return total


# The rate


TABLES = ("customers", "customer_search", "segment_changes", "fact_changes")


def rate(url: str, rows: int, folder: Path) -> None:
    app = _prepared(url)
    file = folder / "customers.csv"
    write_file(file, rows, rows, 0, random.Random(6))
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)  # as gunicorn.conf.py has it
    with app.app_context():
        started = time.perf_counter()
        with opened(str(file)) as source, staged(source, lambda done: None) as staging:
            read = time.perf_counter() - started
            apply(staging, Actor("bench", "bench"), lambda done: None, create=True)
        imported = time.perf_counter() - started
        bulk = _bulk_load(db.engine.dialect.name)
    print(f"  rate, {rows:,} new customers with segments: {imported:.1f} s ({rows / imported:,.0f} rows/s),", end=" ")
    print(f"{read:.1f} s of it reading and checking")
    told = ", ".join(f"{table} {seconds:.1f}" for table, seconds in bulk.items())
    print(f"  the database's own bulk load of the same rows: {sum(bulk.values()):.1f} s ({told})")
    whole, alone = imported / sum(bulk.values()), imported / bulk["customers"]
    print(f"  import ÷ bulk load: {whole:.2f}; ÷ that of customers alone: {alone:.2f}")


def _bulk_load(dialect: str) -> dict[str, float]:
    """Take the rows out, empty the tables, and put them in again with their indexes: seconds by table."""
    connection = db.engine.raw_connection()
    cursor, seconds = connection.cursor(), {}
    rows: dict[str, Any] = {}
    for table in TABLES:
        if dialect == "postgresql":
            with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                rows[table] = b"".join(bytes(part) for part in copy)
        else:
            rows[table] = cursor.execute(f"SELECT * FROM {table}").fetchall()
    cursor.execute(f"TRUNCATE {', '.join(TABLES)}" if dialect == "postgresql" else "PRAGMA foreign_keys = OFF")
    for table in TABLES if dialect == "sqlite" else ():
        cursor.execute(f"DELETE FROM {table}")
    connection.commit()
    for table in TABLES:
        started = time.perf_counter()
        if dialect == "postgresql":
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(rows[table])
        else:
            cursor.execute("BEGIN")
            places = ", ".join("?" * len(rows[table][0]))
            cursor.executemany(f"INSERT INTO {table} VALUES ({places})", rows[table])
        connection.commit()
        seconds[table] = time.perf_counter() - started
    connection.close()
    return seconds


def _prepared(url: str) -> Flask:
    app = create_app({"DATABASE_URL": url, "SECRET_KEY": "bench"})
    with app.app_context():
        flask_migrate.upgrade()
    return app


def db_name(url: str) -> str:
    return "SQLite" if url.startswith("sqlite") else "PostgreSQL"


def say(what: str, true: bool) -> None:
    print(f"  {'yes' if true else 'NO '}: {what}", flush=True)


if __name__ == "__main__":
    main()
