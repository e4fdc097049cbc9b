"""docs/security.md is true: its matrix equals the routes, and the tests and files that it names exist."""

import re

from flask import Flask

from bench.servers.gunicorn import ROOT
from tests.support.access_matrix import DOCUMENT, documented, matrix


def test_matrix_equals_the_routes(apps: dict[str, Flask]) -> None:
    assert documented() == matrix(apps["sqlite"]), "write it anew: .venv/bin/python -m tests.support.access_matrix"


def test_named_tests_and_files_exist() -> None:
    text = DOCUMENT.read_text().partition("<!-- matrix -->")[0]
    defined = {
        name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) > 40
    assert named - defined == set()
    files = set(re.findall(r"`((?:app|docs|deploy|tests|bench)/[\w./-]+)`", text))
    assert files
    assert {name for name in files if not (ROOT / name).exists()} == set()
