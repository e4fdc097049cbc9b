"""A served, migrated SQLite database with one customer and one token."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.servers.gunicorn import ROOT, SECRET_KEY, Server, serving
from tests.support.commands import run_flask


def sqlite_environ(database: Path) -> dict[str, str]:
    return {"DATABASE_URL": f"sqlite:///{database}", "SECRET_KEY": SECRET_KEY, "LOG_FORMAT": "json"}


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a database of one customer, to be copied, and the token in that database."""
    folder = tmp_path_factory.mktemp("prepared")
    environ = sqlite_environ(folder / "test.db")
    run_flask(environ, ROOT, "db", "upgrade")
    (folder / "ana.csv").write_text("document_id,name,email\n1232-2323,Ana Gómez,ana@example.com\n")
    run_flask(environ, ROOT, "customers", "import", str(folder / "ana.csv"))
    return folder, run_flask(environ, ROOT, "tokens", "create", "crm-nightly").splitlines()[-1]


@pytest.fixture
def environ(prepared: tuple[Path, str], tmp_path: Path) -> dict[str, str]:
    """The settings of a service on a copy of the prepared database; TOKEN is its token."""
    folder, token = prepared
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return sqlite_environ(tmp_path / "test.db") | {"TOKEN": token}


@pytest.fixture
def server(environ: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    with serving(environ, tmp_path / "log") as server:
        yield server


@pytest.fixture(scope="module")
def shared_server(
    prepared: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, dict[str, str]]]:
    """One server of one worker for the tests of a module, and the headers of an authenticated request."""
    folder, token = prepared
    copy = tmp_path_factory.mktemp("shared")
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    environ = sqlite_environ(copy / "test.db") | {"WEB_CONCURRENCY": "1", "MAX_CONCURRENT_LARGE_BODIES": "1"}
    with serving(environ, copy / "log") as server:
        yield server, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
