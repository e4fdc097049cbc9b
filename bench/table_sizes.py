"""What each customer and each nightly change takes on PostgreSQL: `python -m bench.table_sizes`, for docs/scaling.md.

It counts bytes, not time.
"""

import argparse
import logging
import random

import flask_migrate
import psycopg
from sqlalchemy import text

from app import create_app
from app.core.changes.replace_segments import replace_segments
from app.core.database import db
from app.core.models.change_sets import Actor
from bench import dataset
from bench.servers import postgresql
from bench.servers.gunicorn import SECRET_KEY

BATCH_SIZE = 10_000
NIGHT = Actor("token crm-nightly", "api")
SIZES = """SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
           WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"""

Sizes = dict[str, tuple[int, int]]


def vacuum(url: str) -> None:
    """Do what autovacuum does meanwhile, so that free space is used again."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def sizes() -> Sizes:
    """Return the bytes of each table, and of its indexes."""
    with db.engine.connect() as connection:
        return {name: (table, indexes) for name, table, indexes in connection.execute(text(SIZES))}


def wal_position() -> int:
    with db.engine.connect() as connection:
        return int(connection.scalar(text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")) or 0)


def night(stored: int, changed: int, rng: random.Random) -> None:
    """Replace the segments of so many customers, drawn at random, in requests of 10,000."""
    customers = dataset.nightly(stored, changed, rng)
    for first in range(0, changed, BATCH_SIZE):
        batch = customers[first : first + BATCH_SIZE]
        replace_segments({customer["document_id"]: customer["segments"] for customer in batch}, NIGHT)


def show(title: str, before: Sizes, after: Sizes, divisor: int) -> None:
    print(f"\n{title}\n\n| table | bytes | of them indexes |\n|---|---|---|")
    for name, (table, indexes) in after.items():
        old_table, old_indexes = before.get(name, (0, 0))
        grown, index_bytes = table + indexes - old_table - old_indexes, indexes - old_indexes
        if grown / divisor >= 0.5:
            print(f"| `{name}` | {grown / divisor:,.0f} | {index_bytes / divisor:,.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--share", type=float, default=0.1, help="of the customers change each night")
    parser.add_argument("--nights", type=int, default=10)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    rng, changed = random.Random(1), int(options.customers * options.share)
    with postgresql.running() as url:
        app = create_app({"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY})
        with app.app_context():
            flask_migrate.upgrade()
            empty = sizes()
            dataset.fill(db.engine, options.customers, rng)
            filled = sizes()
            show(f"For each of {options.customers:,} customers", empty, filled, options.customers)
            log = 0
            for _ in range(options.nights):
                position = wal_position()
                night(options.customers, changed, rng)
                log += wal_position() - position
                vacuum(url)
            changes = options.nights * changed
            show(f"For each of {changes:,} changes, {changed:,} a night", filled, sizes(), changes)
            print(f"\nWrite-ahead log for each change: {log / changes:,.0f} bytes")
            db.session.remove()
            db.engine.dispose()


if __name__ == "__main__":
    main()
