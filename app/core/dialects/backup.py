"""Backup and restore of a SQLite database, while it is in use."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

PAGES_PER_STEP = 1000
"""Pages copied at once. Between two steps, other connections can write."""


class InvalidBackup(Exception):
    """The file is not a backup of this service; the message says why."""


def is_file_database(engine: Engine) -> bool:
    """Return whether the database is a file that `copy_to` and `copy_from` can handle."""
    return engine.dialect.name == "sqlite"


def copy_to(engine: Engine, path: Path) -> None:
    """Write a consistent copy of the database to a new file, which only its owner can read. Raises FileExistsError."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    os.close(descriptor)
    with closing(sqlite3.connect(str(engine.url.database))) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target, pages=PAGES_PER_STEP)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it


def copy_from(path: Path, engine: Engine) -> None:
    """Replace the content of the database by a backup. Raises InvalidBackup.

    SQLite itself writes the pages. To copy the file would leave the old log (-wal), which does not fit to the new file.
    """
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source:
            _check(source)
            with closing(sqlite3.connect(str(engine.url.database))) as target:
                source.backup(target, pages=PAGES_PER_STEP)
                target.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError as error:
        raise InvalidBackup(f"{path} is not a SQLite database, or is damaged: {error}.") from None


def _check(source: Any) -> None:
    (result,) = source.execute("PRAGMA integrity_check(1)").fetchone()
    if result != "ok":
        raise InvalidBackup(f"The backup is damaged: {result}.")
    tables = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"alembic_version", "customers"} <= tables:
        raise InvalidBackup("The file is a SQLite database, but not one of this service.")


def is_sqlite_file(path: Path) -> bool:
    """Return whether a file is empty or a SQLite database.

    SQLite itself reads it: when a process closes a file that it opened otherwise, it loses the locks that its
    connections to the same file hold.
    """
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError:  # locked or unreadable: the caller checks that
        return True
    except sqlite3.DatabaseError:
        return False
    return True
