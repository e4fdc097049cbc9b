"""Documents name what exists, modules are short, class names unique; tests and benchmarks import in one direction."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from app.core.database import db
from bench.servers.gunicorn import ROOT

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


def imported_names(folder: str) -> list[tuple[Path, str, str]]:
    """Return (file, module, name) for all that the modules of this folder import by `from`."""
    files = sorted((ROOT / folder).rglob("*.py"))
    nodes = ((file, node) for file in files for node in ast.walk(ast.parse(file.read_text())))
    imports = [(file, node) for file, node in nodes if isinstance(node, ast.ImportFrom)]
    return [(file, node.module or "", alias.name) for file, node in imports for alias in node.names]


@pytest.mark.parametrize(("folder", "forbidden"), [("tests", r"tests\..*\btest_"), ("bench", r"tests\b")])
def test_helpers_are_shared_by_tests_support_and_bench_servers(folder: str, forbidden: str) -> None:
    names = imported_names(folder)
    assert len(names) > 100
    assert [(str(file), name) for file, module, name in names if re.match(forbidden, f"{module}.{name}")] == []


@pytest.mark.parametrize("folder", ["tests", "bench"])
def test_imported_names_exist(folder: str) -> None:
    """Also in what no test imports: the torture runs and the benchmarks."""
    own = {(module, name) for _, module, name in imported_names(folder) if re.match(r"(app|bench|tests)\.", module)}
    assert [f"{module}.{name}" for module, name in sorted(own) if not exists(module, name)] == []


def exists(module: str, name: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    if (path / f"{name}.py").exists() or (path / name).is_dir():
        return True
    return name in defined_names(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))


@cache
def defined_names(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    named = {node.name for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)}
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return named | assigned | {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
