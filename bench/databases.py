"""Runs a benchmark on both databases in turn, each new and empty."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.servers import postgresql


def run_on_both(name: str, description: str, measure: Callable[[str, int, Path], None]) -> None:
    """Run `measure(url, rows, folder)` on PostgreSQL, then on SQLite, as the command line says."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=description.split("\n", maxsplit=1)[0])
    parser.add_argument("--postgresql", type=int, default=1_000_000, help="rows of the file; 0 leaves it out")
    parser.add_argument("--sqlite", type=int, default=200_000, help="rows of the file; 0 leaves it out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.postgresql:
            with postgresql.running() as url:
                measure(url, options.postgresql, Path(folder))
        if options.sqlite:
            measure(f"sqlite:///{folder}/{name}.db", options.sqlite, Path(folder))


def db_name(url: str) -> str:
    return "SQLite" if url.startswith("sqlite") else "PostgreSQL"
