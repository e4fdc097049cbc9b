"""Where a file's rows wait, checked, until they are applied.

A private SQLite file on disk, gone when it is closed: memory stays flat for a file of any size, the transaction that
applies it can be tried again, and customers come out in one order, in which all writers take their locks.
"""

import gc
import sqlite3
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import orjson

from app.core.errors import DomainError
from app.files.columns import CustomerEntry
from app.files.lines import Line

SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -16384;
CREATE TABLE entries (document_id TEXT, line INTEGER, content TEXT, kept TEXT);
CREATE TABLE spoilt (document_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE rejected (line INTEGER, error TEXT, kept TEXT);
CREATE TABLE left_out (document_id TEXT, why TEXT);
"""

BATCH_SIZE = 5_000

GC_GENERATION = 1
"""The generations of garbage swept up after a batch. SQLAlchemy's statements hold their parameters in circles, and the
collector, which `gunicorn.conf.py` tells to look seldom, would let hundreds of megabytes of them pile up."""

StagedRow = Sequence[str] | str
"""What stood in a bad line: the cells of a CSV, or the text of another file's line."""


DISK_FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN")


class DiskFull(DomainError):
    status = 507
    code = "DISK_FULL"
    explanation = "The disk for temporary files is full."


class Staging:
    """With `pairs`, several lines make up one customer: a line holds one of her segments."""

    def __init__(self, *, pairs: bool = False) -> None:
        self.pairs = pairs
        self._waiting: list[tuple[str, int, bytes, bytes | None]] = []
        self._db = sqlite3.connect("")
        self._db.isolation_level = None
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")

    def __enter__(self) -> "Staging":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Raises NoRoom."""
        self._db.close()
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorname in DISK_FULL:
            raise DiskFull("There is no room for the file on the server's disk, where temporary files lie.") from error

    # Taking in

    def add(self, line: Line, entry: CustomerEntry) -> None:
        """What a good line says; and the line itself, should another one of that customer be bad."""
        content = orjson.dumps([entry.facts, entry.segments])
        whole = orjson.dumps(line.kept) if self.pairs else None
        self._waiting.append((entry.document_id, line.number, content, whole))
        if len(self._waiting) == BATCH_SIZE:
            self._write()

    def _write(self) -> None:
        insert = "INSERT INTO entries VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT))"
        self._db.executemany(insert, self._waiting)
        self._waiting.clear()

    def reject(self, line: int, error: str, kept: StagedRow, document_id: str | None = None) -> None:
        """A bad line. In a file of pairs, none of the lines of that customer is applied: half of her segments would be
        wrong ones."""
        self._db.execute("INSERT INTO rejected VALUES (?, ?, ?)", (line, error, orjson.dumps(kept).decode()))
        if self.pairs and document_id:
            self._db.execute("INSERT OR IGNORE INTO spoilt VALUES (?)", (document_id,))

    def settle(self) -> None:
        """All lines are in."""
        self._write()
        spoilt = "document_id IN (SELECT document_id FROM spoilt)"
        why = "'Another line of this customer is bad.'"
        self._db.execute(f"INSERT INTO rejected SELECT line, {why}, kept FROM entries WHERE {spoilt}")  # noqa: S608
        self._db.execute(f"DELETE FROM entries WHERE {spoilt}")  # noqa: S608 - our own texts

    # Giving out

    def batches(self) -> Iterator[dict[str, CustomerEntry]]:
        """`{document_id: entry}`, some thousands at a time, in the order in which PostgreSQL keeps JSON keys.

        Of several lines the first is taken; in a file of pairs, the segments of all of them.
        """
        rows = self._db.execute(
            "SELECT document_id, content FROM entries ORDER BY length(CAST(document_id AS BLOB)), document_id, line"
        )
        batch: dict[str, CustomerEntry] = {}
        for document_id, content in rows:
            known = batch.get(document_id)
            if known is None:
                if len(batch) == BATCH_SIZE:
                    yield batch
                    batch = {}
                    gc.collect(GC_GENERATION)
                batch[document_id] = CustomerEntry(document_id, *orjson.loads(content))
            elif self.pairs and known.segments is not None:
                known.segments.extend(orjson.loads(content)[1])
        if batch:
            yield batch
        gc.collect(GC_GENERATION)

    def customers(self) -> int:
        return self._number("SELECT count(DISTINCT document_id) FROM entries")

    def rejected(self) -> Iterator[tuple[int, str, StagedRow]]:
        """(line, error, what stood there), in the order of the file."""
        for line, error, kept in self._db.execute("SELECT line, error, kept FROM rejected ORDER BY line"):
            yield line, error, orjson.loads(kept)

    def any_rejected(self) -> int:
        return self._number("SELECT count(*) FROM rejected")

    def duplicates(self) -> Iterator[str]:
        """Whoever stood in several lines of which one was taken, in the order of the file."""
        if self.pairs:
            return iter(())
        return self._ids("SELECT document_id FROM entries GROUP BY document_id HAVING count(*) > 1 ORDER BY min(line)")

    def _number(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])

    # What became of them

    def forget_outcome(self) -> None:
        self._db.execute("DELETE FROM left_out")

    def leave_out(self, why: str, document_ids: list[str]) -> None:
        self._db.executemany("INSERT INTO left_out VALUES (?, ?)", [(document_id, why) for document_id in document_ids])

    def left_out(self, why: str) -> Iterator[str]:
        query = """SELECT document_id FROM left_out JOIN entries USING (document_id)
                    WHERE why = ? GROUP BY document_id ORDER BY min(line)"""
        return self._ids(query, why)

    def left_out_count(self, why: str) -> int:
        return int(self._db.execute("SELECT count(*) FROM left_out WHERE why = ?", (why,)).fetchone()[0])

    def _ids(self, query: str, *parameters: Any) -> Iterator[str]:
        return (document_id for (document_id,) in self._db.execute(query, parameters))
