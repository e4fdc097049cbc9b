"""flask backup, flask restore: a copy of a SQLite database in use, restored into an empty place."""

import sqlite3
from contextlib import AbstractContextManager, closing
from datetime import timedelta
from pathlib import Path

import flask_migrate
import pytest
from flask import Flask

from app.core.changes import erasure_log
from app.core.database import db, now
from tests.support.clients import Shell
from tests.support.customers import GOLD, add_customers, all_segments, set_segments
from tests.support.databases import app_on


def embedded(database: Path) -> AbstractContextManager[Flask]:
    return app_on(f"sqlite:///{database}")


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a database with one customer, taken while a connection to the database is open."""
    with embedded(tmp_path / "shop.db") as app:
        flask_migrate.upgrade()
        add_customers("ana", name="Ana")
        set_segments("ana", GOLD)
        with closing(sqlite3.connect(tmp_path / "shop.db")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM customers").fetchall()
            Shell(app, tmp_path)("backup", str(tmp_path / "backup.db"))
    return tmp_path / "backup.db"


def dump(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


def test_a_restored_database_equals_the_original(backup: Path, tmp_path: Path) -> None:
    with embedded(tmp_path / "new.db") as app:
        Shell(app, tmp_path)("restore", str(backup))
    assert dump(tmp_path / "new.db") == dump(tmp_path / "shop.db") == dump(backup)


def test_who_was_erased_after_a_backup_is_erased_again_when_it_is_restored(backup: Path, tmp_path: Path) -> None:
    with embedded(tmp_path / "shop.db") as app:
        add_customers("bo")
        Shell(app, tmp_path)("customers", "erase", "ana")
        assert b"ana" not in (tmp_path / "shop.db.erasures").read_bytes()
        assert (tmp_path / "shop.db.erasures").stat().st_mode & 0o777 == 0o600
    for file in tmp_path.glob("shop.db*"):
        if file.name != "shop.db.erasures":
            file.unlink()
    with embedded(tmp_path / "shop.db") as app:
        result = Shell(app, tmp_path)("restore", str(backup))
        assert "1 customer erased again" in result.stderr
        assert all_segments() == {}
        add_customers("ana")
        Shell(app, tmp_path)("customers", "erase", "--again")
        assert all_segments() == {"ana": []}


def test_a_record_of_an_erasure_goes_after_ninety_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with embedded(tmp_path / "shop.db"):
        for days in (91, 89, 0):
            monkeypatch.setattr(erasure_log, "now", lambda days=days: now() - timedelta(days=days))
            erasure_log.record_erasure(erasure_log.ErasureRecord([1], [f"{days}"]))
        erasure_log.remove_old_erasures()
        assert [erased.ids for erased in erasure_log.recorded_erasures()] == [["89"], ["0"]]


def test_only_the_owner_can_read_a_backup(backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600


def test_an_existing_file_is_not_overwritten(backup: Path, tmp_path: Path) -> None:
    with embedded(tmp_path / "shop.db") as app:
        result = Shell(app, tmp_path)("backup", str(backup), exit_code=2)
    assert "cannot be written: File exists" in result.stderr


def test_a_used_database_is_not_overwritten(backup: Path, tmp_path: Path) -> None:
    with embedded(tmp_path / "shop.db") as app:
        result = Shell(app, tmp_path)("restore", str(backup), exit_code=2)
    assert "is not empty" in result.stderr


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 5000])
def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with embedded(tmp_path / "new.db") as app:
        Shell(app, tmp_path)("restore", str(tmp_path / "file"), exit_code=2)
        assert db.session.execute(db.text("SELECT count(*) FROM sqlite_master")).scalar() == 0


def test_postgresql_is_backed_up_by_its_own_program(apps: dict[str, Flask], tmp_path: Path) -> None:
    with apps["postgresql"].app_context():
        for command, program in (("backup", "pg_dump --format=custom --file"), ("restore", "pg_restore")):
            (tmp_path / "file").touch()
            assert program in Shell(apps["postgresql"], tmp_path)(command, str(tmp_path / "file"), exit_code=2).stderr
