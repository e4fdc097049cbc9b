"""`make bench`: everything that docs/benchmarks.md tells, measured side by side in one run."""

import argparse
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from bench import bulk_replace, scaling, single_customer, worker_footprint
from bench.report import Report
from tests.support import postgresql


@dataclass(frozen=True)
class Plan:
    """How large a shop, and how often."""

    stored: int
    sqlite: int
    sizes: tuple[int, ...]
    reads: int
    rounds: int
    seconds: float


USUAL = Plan(stored=1_000_000, sqlite=1_000_000, sizes=(100_000, 1_000_000), reads=1_000_000, rounds=12, seconds=3)
QUICK = Plan(stored=100_000, sqlite=50_000, sizes=(20_000, 100_000), reads=100_000, rounds=3, seconds=1)
FULL = replace(USUAL, sizes=(100_000, 1_000_000, 10_000_000), reads=10_000_000, rounds=20)

Section = Callable[[Report, str, Plan, Path], None]


def _many(report: Report, server: str, plan: Plan, folder: Path) -> None:
    bulk_replace.on_postgresql(report, scaling.named(server, plan.stored), plan.stored, plan.rounds, folder)


def _sqlite(report: Report, server: str, plan: Plan, folder: Path) -> None:
    bulk_replace.on_sqlite(report, plan.sqlite, plan.rounds, folder)


def _single(report: Report, server: str, plan: Plan, folder: Path) -> None:
    url = scaling.named(server, plan.stored)
    single_customer.measure(report, url, plan.stored, max(3, plan.rounds // 2), plan.seconds, folder)


def _writes(report: Report, server: str, plan: Plan, folder: Path) -> None:
    scaling.writes(report, server, list(plan.sizes), plan.rounds, folder)


def _reads(report: Report, server: str, plan: Plan, folder: Path) -> None:
    scaling.reads(report, server, plan.reads, plan.rounds * 5, folder)


def _worker(report: Report, server: str, plan: Plan, folder: Path) -> None:
    url = scaling.named(server, plan.stored)
    worker_footprint.memory(report, url, plan.stored, folder)
    worker_footprint.start(report, url, plan.rounds)
    worker_footprint.cost_of_metrics(report, url, 5)


SECTIONS: dict[str, Section] = {
    "many": _many,
    "sqlite": _sqlite,
    "single": _single,
    "worker": _worker,
    "writes": _writes,
    "reads": _reads,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="two minutes, on a small shop; docs/benchmarks.md stays")
    size.add_argument("--full", action="store_true", help="as long as it takes, up to ten million customers")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="this section; docs/benchmarks.md stays")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL if options.full else USUAL
    logging.disable(logging.WARNING)  # of the service in this process; the served ones log as they do
    report = Report()
    with postgresql.running() as server, tempfile.TemporaryDirectory(prefix="customer-segments-bench-") as folder:
        for name in options.only or SECTIONS:
            SECTIONS[name](report, server, plan, Path(folder) / name)
        with psycopg.connect(server) as connection:
            version = str(connection.info.parameter_status("server_version"))
    if not (options.quick or options.only):
        report.write("make bench" + (" ARGS=--full" if options.full else ""), version)
    small = " They are those of a large shop; this one is small." if options.quick else ""
    report.say(f"\n{report.missed} aims were missed.{small}")


if __name__ == "__main__":
    main()
