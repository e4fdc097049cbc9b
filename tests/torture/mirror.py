"""Make random changes of every kind, and check that mirrors which follow the change feed equal the service.

    python -m tests.torture.mirror [--operations 100000] [--seed 7] [--database sqlite]

One mirror begins at zero, and one at a snapshot taken in the middle. A third one reads so seldom that its cursor is
pruned: then it begins again with a snapshot. Prints the operations of each kind, the entries read and the seed that
repeats the run. Exit code 1 means that a mirror differed.
"""

import argparse
import json
import logging
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flask_migrate
from flask import Flask

from app import create_app
from app.access.api_tokens import SCOPES, create_token
from app.core.counts.recount import recount
from bench.servers import postgresql
from tests.support.clients import Api, IsolatedClient
from tests.support.customers import TESTER
from tests.support.feed import Mirror, follow, read_all, stored_customers
from tests.support.random_changes import IDS, RandomChanges

CUSTOMERS = (*IDS, *(f"c{number}" for number in range(24)))
READ_EVERY, COMPARE_EVERY, PRUNE_EVERY = 100, 2_500, 5_000  # operations


class Follower:
    """A mirror and the cursor up to which it has read."""

    def __init__(self, name: str, api: Api) -> None:
        self.name, self.api = name, api
        self.mirror: Mirror = {}
        self.cursor: str | None = None
        self.entries = self.snapshots = 0

    def take_snapshot(self) -> None:
        response = self.api.get("/api/v3/customers/export")
        customers = map(json.loads, response.text.splitlines())
        self.mirror = {customer.pop("document_id"): customer for customer in customers}
        self.cursor = response.headers["Change-Cursor"]
        self.snapshots += 1

    def read(self, limit: int = 1000) -> None:
        """Read to the end of the feed; from a new snapshot if the cursor was pruned."""
        if self.cursor and self._is_pruned():
            self.take_snapshot()
        changes, self.cursor = read_all(self.api, self.cursor, limit)
        follow(self.mirror, changes)
        self.entries += len(changes)

    def _is_pruned(self) -> bool:
        query = {"limit": "1", "after": self.cursor}
        return self.api.client.get("/api/v3/changes", query_string=query, headers=self.api.headers).status_code == 410


def run(app: Flask, seed: int, operations: int, prune_every: int = PRUNE_EVERY) -> list[str]:
    """Make the changes and follow them; return how a mirror or a count differed."""
    rng, api = random.Random(seed), Api(app.test_client(), create_token("mirror", SCOPES))
    changes = RandomChanges(app, api, rng, CUSTOMERS)
    zero, middle, seldom = (Follower(name, api) for name in ("from zero", "from the middle", "that reads seldom"))
    seldom.read()
    reading = [zero]
    for step in range(1, operations + 1):
        changes.make_one()
        if step == operations // 2:
            middle.take_snapshot()
            reading.append(middle)
        if step % READ_EVERY == 0:
            zero.read(limit=rng.randint(3, 200))
        if step % prune_every == 0:
            for follower in reading:
                follower.read()
            changes.prune()
            if changes.counts["prune"] % 2:
                seldom.read()
        if step % COMPARE_EVERY == 0 and (violations := _compare(reading)):
            return violations
    print(f"  {operations:,} operations: {', '.join(f'{n:,} × {kind}' for kind, n in changes.counts.most_common())}")
    return [*_compare([zero, middle, seldom]), *(f"a recount found {found}" for found in recount(TESTER))]


def _compare(followers: list[Follower]) -> list[str]:
    """Return which mirrors differ from the customers, once they have read everything."""
    for follower in followers:
        follower.read()
        print(f"  {follower.name}: {follower.entries:,} entries, {follower.snapshots} snapshots", flush=True)
    return [f"the mirror {follower.name} differs" for follower in followers if follower.mirror != stored_customers()]


@contextmanager
def application(database: str) -> Iterator[Flask]:
    """Yield the application on a new, empty database."""
    with tempfile.TemporaryDirectory() as folder:
        if database == "sqlite":
            yield _application(f"sqlite:///{Path(folder) / 'mirror.db'}")
        else:
            with postgresql.running() as url:
                yield _application(url)


def _application(url: str) -> Flask:
    app = create_app({"DATABASE_URL": url, "SECRET_KEY": "mirror " * 10})
    app.test_client_class = IsolatedClient
    with app.app_context():
        flask_migrate.upgrade()
    return app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.mirror", description=__doc__)
    parser.add_argument("--operations", type=int, default=100_000, help="on each database")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    options = parser.parse_args()
    logging.disable(logging.INFO)  # each request
    violations: list[str] = []
    for database in options.database or ["sqlite", "postgresql"]:
        started = time.monotonic()
        print(f"{database}, seed {options.seed}", flush=True)
        with application(database) as app, app.app_context():
            violations += run(app, options.seed, options.operations)
        print(f"  {time.monotonic() - started:,.0f} s", flush=True)
    for violation in violations:
        print(f"VIOLATION {violation}")
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
