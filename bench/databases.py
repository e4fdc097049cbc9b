"""Each of the two databases in turn, new and empty, for benchmarks that take both."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support import postgresql


def on_both(name: str, described: str, measure: Callable[[str, int, Path], None]) -> None:
    """Run `measure(url, rows, folder)` as the command line asks: on PostgreSQL, then on SQLite."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=described.split("\n", maxsplit=1)[0])
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
