"""Documents name what exists, modules are short, class names unique; tests and benchmarks import in one direction."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from app.core.database import db
from bench.servers.gunicorn import ROOT

IMPORT = re.compile(r"^\s*(?:from|import) (\S+)(?: import (.*))?$", re.MULTILINE)
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
NAMED_FILE = re.compile(r"`((?:app|bench|clients|deploy|docs|static|templates|tests)/[\w./-]*\w)[/`]")
MODULE_SUFFIXES = {".py", ".js", ".css", ".html"}


def test_every_table_is_described() -> None:
    described = (ROOT / "docs" / "architecture.md").read_text()
    assert [table for table in sorted(db.metadata.tables) if f"`{table}`" not in described] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_files_that_a_document_names_exist(document: Path) -> None:
    named = set(NAMED_FILE.findall(document.read_text()))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_no_module_is_over_300_lines() -> None:
    folders = ("app", "bench", "clients", "static", "templates", "tests")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in MODULE_SUFFIXES]
    assert len(files) > 500
    assert [file for file in files if len(file.read_text().splitlines()) > 300] == []


def test_every_class_name_has_one_meaning() -> None:
    """The Python client and the peers of the benchmarks are programs of their own."""
    files = [file for folder in ("app", "bench", "tests") for file in (ROOT / folder).rglob("*.py")]
    found = [name for file in files if "peers" not in file.parts for name in defined_classes(file)]
    assert len(found) > 300
    assert [name for name, times in Counter(found).items() if times > 1] == []


def defined_classes(file: Path) -> list[str]:
    classes = [node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ClassDef)]
    return [name for name in classes if name != "Meta"]  # options of the class around it


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
