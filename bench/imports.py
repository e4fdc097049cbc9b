"""A large file with invalid lines, loaded through the page in a real browser while its workers are killed.

    python -m bench.imports [--postgresql 1000000] [--sqlite 200000]

Checks that every invalid line is reported by its number, that all other rows are applied, and that an undo restores the
previous state, and prints the memory of the workers. `bench.import_rate` measures the speed.
"""

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import orjson
from playwright.sync_api import Page
from sqlalchemy import text

from app.access.operators import create_operator
from app.core.database import db
from bench import dataset
from bench.databases import db_name, run_on_both
from bench.import_rate import migrated_app
from bench.invalid_lines import INVALID_LINES, Expected, write_file
from bench.servers.chromium import chromium
from bench.servers.gunicorn import Server, serving

EMAIL, PASSWORD = "bench@example.com", "a long password for the bench"


def load_through_page(url: str, rows: int, folder: Path) -> None:
    app, rng = migrated_app(url), random.Random(5)
    print(f"\n{db_name(url)}: {rows:,} rows, {INVALID_LINES:,} of them invalid", flush=True)
    with app.app_context():
        dataset.fill(db.engine, rows, rng)
        create_operator(EMAIL, "editor", PASSWORD)
        before = checksum()
    file = folder / "customers.csv"
    expected, invalid = write_file(file, rows, rows, INVALID_LINES, rng)
    environ = {"DATABASE_URL": url, "SECRET_KEY": "only-for-tests-0123456789", "WEB_CONCURRENCY": "2"}
    with serving(environ, folder / "log") as server, chromium() as browser, watched(server) as memory:
        page = browser.new_page()
        page.set_default_timeout(600_000)
        _sign_in(page, server)
        started = time.perf_counter()
        _load(page, server, file, memory)
        print(f"  from the upload to the result, with two kills: {time.perf_counter() - started:.0f} s")
        first, last = memory["first"], memory["maximum"]
        print(
            f"  memory of a worker: {first} MB before, {last} MB at most, the file has {file.stat().st_size >> 20} MB"
        )
        with app.app_context():
            lines = [line for (line,) in db.session.execute(text("SELECT line FROM rejected_rows ORDER BY number"))]
            check("every invalid line reported by its number", lines == invalid)
            check("all other rows applied", _matches_file(expected, rows))
            sets = db.session.execute(text("SELECT count(*) FROM change_sets")).scalar()
            check("one change set", sets == 1)
        _undo(page)
        with app.app_context():
            check("the undo brought back the state before", checksum() == before)


def _sign_in(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/sign-in")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def _load(page: Page, server: Server, file: Path, memory: dict[str, int]) -> None:
    page.goto(f"{server.address}/imports")
    page.get_by_label("CSV or JSON Lines").set_input_files(file)
    page.get_by_role("button", name="Upload and preview").click()
    page.get_by_role("button", name="Preview changes").click()
    page.get_by_role("button", name=re.compile("^Apply to")).wait_for()
    stats = page.locator(".stats").inner_text().split("\n")
    print("  preview:", ", ".join(f"{number} {what}" for what, number in zip(stats[::2], stats[1::2], strict=False)))
    page.get_by_role("button", name=re.compile("^Apply to")).click()
    for phase in ("Checking", "Applying"):
        page.get_by_text(re.compile(f"^{phase}")).wait_for()
        page.wait_for_timeout(1_500)
        busiest = max(server.workers(), key=_cpu)
        os.kill(busiest, signal.SIGKILL)
        print(f"  killed a worker while the page said “{page.locator('[data-follow] label').inner_text()}”", flush=True)
        time.sleep(1)
    page.get_by_text(re.compile("Change #")).first.wait_for()


def _undo(page: Page) -> None:
    page.get_by_role("link", name=re.compile("^Undo")).click()
    started = time.perf_counter()
    page.get_by_role("button", name=re.compile("^Undo for")).click()
    page.get_by_text(re.compile("^Undone for")).wait_for()
    print(f"  undone in {time.perf_counter() - started:.0f} s")


def _cpu(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@contextmanager
def watched(server: Server) -> Iterator[dict[str, int]]:
    """Record the resident memory of the largest worker in MB: at the start, and its maximum."""
    memory, over = {"first": max(map(_resident, server.workers())), "maximum": 0}, Event()

    def watch() -> None:
        while not over.wait(0.2):
            memory["maximum"] = max(memory["maximum"], *map(_resident, server.workers()), 0)

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


def _matches_file(expected: Expected, stored: int) -> bool:
    query = text("SELECT document_id, name, segments FROM customers")
    found = 0
    for id_, name, segments in db.session.execute(query.execution_options(yield_per=10_000)):
        if id_ in expected:
            found += 1
            segments_ = orjson.loads(segments) if isinstance(segments, str) else segments
            if (name, orjson.dumps([{"type": s["type"], "value": s["value"]} for s in segments_])) != expected[id_]:
                return False
        elif int(id_) >= stored:
            return False
    return found == len(expected)


def checksum() -> int:
    """Return a hash over the profile and segments of every customer."""
    total = 0
    query = text("SELECT document_id, name, email, phone, segments FROM customers")
    for row in db.session.execute(query.execution_options(yield_per=10_000)):
        segments_ = orjson.loads(row[4]) if isinstance(row[4], str) else row[4]
        total ^= hash((*row[:4], *((pair["type"], pair["value"]) for pair in segments_)))
    db.session.remove()
    return total


def check(what: str, true: bool) -> None:
    print(f"  {'yes' if true else 'NO '}: {what}", flush=True)


if __name__ == "__main__":
    run_on_both("imports", str(__doc__), load_through_page)
