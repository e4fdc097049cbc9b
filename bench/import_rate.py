"""The time of an import beside the database's own bulk load of the same rows.

    python -m bench.import_rate [--postgresql 1000000] [--sqlite 200000]

The bulk load is COPY, or `executemany`, in one transaction into the indexed tables, of all rows that the import wrote:
customers, search terms and history. The import reads and checks a file, stages and sorts it, and writes. Through the
page the file is read and checked a second time, for the preview.
"""

import gc
import random
import time
from pathlib import Path
from typing import Any

import flask_migrate
from flask import Flask

from app import create_app
from app.core.database import db
from app.core.models.change_sets import Actor
from app.files.reading import open_path
from app.jobs.apply_file import apply_file
from app.jobs.stage_file import stage_file
from bench.databases import db_name, run_on_both
from bench.invalid_lines import write_file

TABLES = ("customers", "customer_search", "customer_changes")


def rate(url: str, rows: int, folder: Path) -> None:
    app = migrated_app(url)
    file = folder / "customers.csv"
    write_file(file, rows, rows, 0, random.Random(6))
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)  # as gunicorn.conf.py has it
    print(f"\n{db_name(url)}: {rows:,} new customers with segments", flush=True)
    with app.app_context():
        started = time.perf_counter()
        with open_path(str(file)) as source, stage_file(source, lambda done: None) as staging:
            read = time.perf_counter() - started
            apply_file(staging, Actor("bench", "bench"), lambda done: None, create=True)
        imported = time.perf_counter() - started
        rows_by_table = _dump_tables(url)
    # A new database: SQLite's full text index keeps marks of deleted rows.
    with (migrated_app(f"{url}.bulk") if url.startswith("sqlite") else app).app_context():
        bulk = _bulk_load(url, rows_by_table)
    print(f"  imported in {imported:.1f} s ({rows / imported:,.0f} rows/s),", end=" ")
    print(f"{read:.1f} s of it reading and checking")
    seconds_by_table = ", ".join(f"{table} {seconds:.1f}" for table, seconds in bulk.items())
    print(f"  the database's own bulk load of the same rows: {sum(bulk.values()):.1f} s ({seconds_by_table})")
    whole, alone = imported / sum(bulk.values()), imported / bulk["customers"]
    print(f"  import ÷ bulk load: {whole:.2f}; ÷ that of customers alone: {alone:.2f}", flush=True)


def _dump_tables(url: str) -> dict[str, Any]:
    """Return the rows of each table in the form that the bulk load takes."""
    connection = db.engine.raw_connection()
    cursor = connection.cursor()
    if url.startswith("sqlite"):
        return {table: cursor.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    rows = {}
    for table in TABLES:
        with cursor.copy(f"COPY {table} TO STDOUT") as copy:
            rows[table] = b"".join(map(bytes, copy))
    cursor.execute(f"TRUNCATE {', '.join(TABLES)}")
    connection.commit()
    return rows


def _bulk_load(url: str, rows: dict[str, Any]) -> dict[str, float]:
    """Load the rows into empty tables in one transaction and return the seconds by table."""
    connection = db.engine.raw_connection()
    cursor, seconds = connection.cursor(), {}
    if url.startswith("sqlite"):
        cursor.execute("BEGIN")
    else:  # the planner may know the tables as empty, and would read them all for each foreign key
        cursor.execute("SET statement_timeout = 0; SET enable_seqscan = off")
    for table in TABLES:
        started = time.perf_counter()
        if url.startswith("sqlite"):
            places = ", ".join("?" * len(rows[table][0]))
            cursor.executemany(f"INSERT INTO {table} VALUES ({places})", rows[table])
        else:
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(rows[table])
        seconds[table] = time.perf_counter() - started
    started = time.perf_counter()
    connection.commit()
    return {**seconds, "commit": time.perf_counter() - started}


def migrated_app(url: str) -> Flask:
    """Return an application on a new, migrated database."""
    app = create_app({"DATABASE_URL": url, "SECRET_KEY": "only-for-tests-0123456789"})
    with app.app_context():
        flask_migrate.upgrade()
    return app


if __name__ == "__main__":
    run_on_both("import_rate", str(__doc__), rate)
