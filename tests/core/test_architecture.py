"""docs/architecture.md names every table; tests and benchmarks import one another in one direction."""

import re
from pathlib import Path

import pytest

from app.core.database import db
from bench.servers.gunicorn import ROOT

IMPORT = re.compile(r"^\s*(?:from|import) (\S+)(?: import (.*))?$", re.MULTILINE)


def test_every_table_is_described() -> None:
    described = (ROOT / "docs" / "architecture.md").read_text()
    assert [table for table in sorted(db.metadata.tables) if f"`{table}`" not in described] == []


def imported_modules(folder: str) -> list[tuple[Path, str]]:
    """Return (file, module or name that it imports) for all of this folder."""
    files = sorted((ROOT / folder).rglob("*.py"))
    imports = ((file, found) for file in files for found in IMPORT.finditer(file.read_text()))
    return [(file, f"{found[1]}.{name.strip()}") for file, found in imports for name in (found[2] or "").split(",")]


@pytest.mark.parametrize(("folder", "forbidden"), [("tests", r"tests\..*\btest_"), ("bench", r"tests\b")])
def test_helpers_are_shared_by_tests_support_and_bench_servers(folder: str, forbidden: str) -> None:
    modules = imported_modules(folder)
    assert len(modules) > 100
    assert [(str(file), name) for file, name in modules if re.match(forbidden, name)] == []
