"""`make bench`: measures everything in docs/benchmarks.md in one run."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from bench import bulk_replace, hostile_load, mixed_load, nights, scaling, single_customer, worker_footprint
from bench.report import DOCS, QUICK_FIGURES, BenchmarkReport
from bench.servers import postgresql


@dataclass(frozen=True)
class Plan:
    """Sizes of the shop and numbers of rounds."""

    stored: int
    sqlite: int
    nights: tuple[int, ...]
    sizes: tuple[int, ...]
    reads: int
    rounds: int
    seconds: float


DEFAULT = Plan(
    stored=1_000_000,
    sqlite=1_000_000,
    nights=(120, 199),
    sizes=(100_000, 1_000_000),
    reads=1_000_000,
    rounds=12,
    seconds=3,
)
QUICK = Plan(stored=100_000, sqlite=50_000, nights=(6,), sizes=(20_000, 100_000), reads=100_000, rounds=3, seconds=1)
FULL = replace(DEFAULT, sizes=(100_000, 1_000_000, 10_000_000), reads=10_000_000, rounds=20)

SMALL = 20_000
"""Customers of a small shop: the statement is short, and what surrounds it counts."""

Section = Callable[[BenchmarkReport, str, Plan, Path], None]


def _bulk(report: BenchmarkReport, server: str, plan: Plan, folder: Path) -> None:
    bulk_replace.measure_postgresql(
        report, scaling.shared_database(server, plan.stored), plan.stored, plan.rounds, folder
    )


def _sqlite(report: BenchmarkReport, server: str, plan: Plan, folder: Path) -> None:
    bulk_replace.measure_sqlite(report, plan.sqlite, plan.rounds, folder)


def _small(report: BenchmarkReport, server: str, plan: Plan, folder: Path) -> None:
    bulk_replace.measure_small(report, scaling.shared_database(server, SMALL), SMALL, plan.rounds, folder)


def _single(report: BenchmarkReport, server: str, plan: Plan, folder: Path) -> None:
    url = scaling.shared_database(server, plan.stored)
    single_customer.measure(report, url, plan.stored, max(3, plan.rounds // 2), plan.seconds, folder)


def _writes(report: BenchmarkReport, server: str, plan: Plan, folder: Path) -> None:
    scaling.writes(report, server, list(plan.sizes), plan.rounds, folder)


def _reads(report: BenchmarkReport, server: str, plan: Plan, folder: Path) -> None:
    scaling.reads(report, server, plan.reads, plan.rounds * 5, folder)


def _nights(report: BenchmarkReport, server: str, plan: Plan, folder: Path) -> None:
    nights.measure(report, server, 100_000, plan.nights, max(5, plan.rounds), folder)


def _mixed(report: BenchmarkReport, server: str, plan: Plan, folder: Path) -> None:
    url = scaling.shared_database(server, plan.stored)
    mixed_load.measure(report, url, plan.stored, plan.seconds * 20, folder)


def _hostile(report: BenchmarkReport, server: str, plan: Plan, folder: Path) -> None:
    url = scaling.shared_database(server, plan.stored)
    hostile_load.measure(report, url, plan.stored, plan.seconds * 3, folder)


def _worker(report: BenchmarkReport, server: str, plan: Plan, folder: Path) -> None:
    url = scaling.shared_database(server, plan.stored)
    worker_footprint.memory(report, url, plan.stored, folder)
    worker_footprint.start(report, url, plan.rounds)
    worker_footprint.cost_of_metrics(report, url, 5)


SECTIONS: dict[str, Section] = {
    "bulk": _bulk,
    "sqlite": _sqlite,
    "small": _small,
    "single": _single,
    "reads": _reads,  # before an import adds customers who share e-mails with those stored
    "nights": _nights,
    "mixed": _mixed,
    "hostile": _hostile,
    "worker": _worker,
    "writes": _writes,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="two minutes on a small shop, prints only")
    size.add_argument("--full", action="store_true", help="up to ten million customers; takes about 15 minutes")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="only this section, prints only")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL if options.full else DEFAULT
    logging.disable(logging.WARNING)  # of the service in this process
    report = BenchmarkReport()
    report.read_last(QUICK_FIGURES if options.quick else DOCS / "benchmarks.json")
    with postgresql.running() as server, tempfile.TemporaryDirectory(prefix="customer-segments-bench-") as folder:
        for name in options.only or SECTIONS:
            SECTIONS[name](report, server, plan, Path(folder) / name)
        with psycopg.connect(server) as connection:
            version = str(connection.info.parameter_status("server_version"))
    if not (options.quick or options.only):
        report.write("make bench" + (" ARGS=--full" if options.full else ""), version)
    if options.quick:
        report.write_figures(QUICK_FIGURES)
    note = " The targets apply to a large shop." if options.quick else ""
    report.line(f"\n{report.missed} targets missed.{note}")
    if report.worse:
        report.line(f"Worse than the last run by more than the spread: {', '.join(report.worse)}.")
    sys.exit(bool(options.quick and report.worse))


if __name__ == "__main__":
    main()
