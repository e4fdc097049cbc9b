"""Where a file's checked rows wait until they are applied.

A private SQLite file on disk, deleted when it is closed: memory stays flat for a file of any size, the transaction that
applies it can be retried, and customers come out in one order, in which all writers take their locks.
"""

import gc
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from types import TracebackType
from typing import Any

import orjson

from app.core.errors import DomainError
from app.core.limits import BATCH_SIZE
from app.core.models.segment_limit import limit_text
from app.core.models.segment_rules import TWO_VALUES
from app.files.columns import CustomerEntry
from app.files.lines import Line
from app.files.notes import FileNotes

SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -16384;
CREATE TABLE entries (document_id TEXT, line INTEGER, content TEXT, raw TEXT);
CREATE TABLE invalid_customers (document_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE rejected (line INTEGER, error TEXT, raw TEXT);
CREATE TABLE skipped (document_id TEXT, reason TEXT);
"""


GC_GENERATION = 1
"""The oldest generation of garbage collected after a batch. SQLAlchemy's statements hold their parameters in reference
cycles, and the collector, which `gunicorn.conf.py` makes run seldom, would let hundreds of megabytes pile up."""

RawRow = Sequence[str] | str
"""A rejected row: the cells of a CSV, or the text of another file's line."""


DISK_FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN")


class DiskFull(DomainError):
    status = 507
    code = "DISK_FULL"
    explanation = "The disk for temporary files is full."


class Staging:
    """The checked rows of a file. With `row_per_segment`, a customer has as many rows as segments."""

    def __init__(self, notes: FileNotes, *, row_per_segment: bool = False) -> None:
        self.notes = notes
        self.row_per_segment = row_per_segment
        self._pending: list[tuple[str, int, bytes, bytes | None]] = []
        self._db = sqlite3.connect("", check_same_thread=False)  # batches are read by another thread
        self._db.isolation_level = None
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")

    def __enter__(self) -> "Staging":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close the file. Raises DiskFull in place of SQLite's own error."""
        self._db.close()
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorname in DISK_FULL:
            raise DiskFull("The server's disk is full.") from error

    # Writing

    def add(self, line: Line, entry: CustomerEntry) -> None:
        """Stage a valid row, with its cells in case another row of the same customer is invalid."""
        content = orjson.dumps([entry.profile, entry.segments])
        raw = orjson.dumps(line.raw) if self.row_per_segment else None
        self._pending.append((entry.document_id, line.number, content, raw))
        if len(self._pending) == BATCH_SIZE:
            self._write_pending()

    def _write_pending(self) -> None:
        insert = "INSERT INTO entries VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT))"
        self._db.executemany(insert, self._pending)
        self._pending.clear()

    def reject(self, line: int, error: str, raw: RawRow, document_id: str | None = None) -> None:
        """Keep an invalid row.

        In a file with a row per segment, no row of that customer is applied: their segments would be incomplete.
        """
        self._db.execute("INSERT INTO rejected VALUES (?, ?, ?)", (line, error, orjson.dumps(raw).decode()))
        if self.row_per_segment and document_id:
            self._db.execute("INSERT OR IGNORE INTO invalid_customers VALUES (?)", (document_id,))

    def finish(self, single_types: Collection[str] = (), max_segments: int | None = None) -> None:
        """End the staging, once all rows are added or rejected.

        Customers whose rows give two values of one of `single_types`, or more than `max_segments`, are rejected.
        """
        self._write_pending()
        if self.row_per_segment and max_segments is not None:
            self._reject_customers("GROUP BY document_id HAVING count(*) > ?", [max_segments], limit_text(max_segments))
        if self.row_per_segment and single_types:
            self._reject_two_values(single_types)
        invalid = "document_id IN (SELECT document_id FROM invalid_customers)"
        error = "'Another row of this customer has an error.'"
        self._db.execute(f"INSERT INTO rejected SELECT line, {error}, raw FROM entries WHERE {invalid}")  # noqa: S608
        self._db.execute(f"DELETE FROM entries WHERE {invalid}")  # noqa: S608 - constant texts

    def _reject_two_values(self, types: Collection[str]) -> None:
        pair = {name: f"json_extract(content, '$[1][0].{name}')" for name in ("type", "value")}
        condition = (
            f"WHERE {pair['type']} IN (SELECT value FROM json_each(?))"  # noqa: S608 - constant texts
            f" GROUP BY document_id, {pair['type']} HAVING count(DISTINCT {pair['value']}) > 1"
        )
        self._reject_customers(condition, [orjson.dumps(sorted(types)).decode()], TWO_VALUES)

    def _reject_customers(self, condition: str, parameters: Sequence[Any], error: str) -> None:
        """Reject all rows of the customers whom the condition, which groups their rows, finds."""
        self._db.execute(
            f"CREATE TEMP TABLE found AS SELECT DISTINCT document_id FROM entries {condition}",  # noqa: S608
            parameters,
        )
        found = "document_id IN (SELECT document_id FROM found)"
        self._db.execute(f"INSERT INTO rejected SELECT line, ?, raw FROM entries WHERE {found}", [error])  # noqa: S608
        self._db.execute(f"DELETE FROM entries WHERE {found}")  # noqa: S608 - constant texts
        self._db.execute("DROP TABLE found")

    # Reading

    def batches(self, size: int = BATCH_SIZE) -> Iterator[dict[str, CustomerEntry]]:
        """Yield `{document_id: entry}`, `size` at a time, in the order in which PostgreSQL stores JSON keys.

        Of several rows with one document_id, the first is used; with a row per segment, the segments of all of them.
        """
        rows = self._db.execute(
            """SELECT document_id, line, content FROM entries
                ORDER BY length(CAST(document_id AS BLOB)), document_id, line"""
        )
        batch: dict[str, CustomerEntry] = {}
        for document_id, line, content in rows:
            staged = batch.get(document_id)
            if staged is None:
                if len(batch) == size:
                    yield batch
                    batch = {}
                    gc.collect(GC_GENERATION)
                profile, segments = orjson.loads(content)
                batch[document_id] = CustomerEntry(document_id, profile, segments, (line,))
            elif self.row_per_segment and staged.segments is not None:
                staged.segments.extend(orjson.loads(content)[1])
                batch[document_id] = staged._replace(lines=(*staged.lines, line))
        if batch:
            yield batch
        gc.collect(GC_GENERATION)

    def count_customers(self) -> int:
        return self._count("SELECT count(DISTINCT document_id) FROM entries")

    def rejected(self) -> Iterator[tuple[int, str, RawRow]]:
        """Yield (line, error, raw row) in the order of the file."""
        for line, error, raw in self._db.execute("SELECT line, error, raw FROM rejected ORDER BY line"):
            yield line, error, orjson.loads(raw)

    def rejected_count(self) -> int:
        return self._count("SELECT count(*) FROM rejected")

    def duplicates(self) -> Iterator[str]:
        """Yield the document_ids of several rows of which only the first is used, in the order of the file."""
        if self.row_per_segment:
            return iter(())
        return self._ids("SELECT document_id FROM entries GROUP BY document_id HAVING count(*) > 1 ORDER BY min(line)")

    # Customers that were not changed

    def clear_skipped(self) -> None:
        self._db.execute("DELETE FROM skipped")

    def skip(self, reason: str, document_ids: list[str]) -> None:
        rows = [(document_id, reason) for document_id in document_ids]
        self._db.executemany("INSERT INTO skipped VALUES (?, ?)", rows)

    def skipped(self, reason: str) -> Iterator[str]:
        query = """SELECT document_id FROM skipped JOIN entries USING (document_id)
                    WHERE reason = ? GROUP BY document_id ORDER BY min(line)"""
        return self._ids(query, reason)

    def _count(self, query: str, *parameters: Any) -> int:
        return int(self._db.execute(query, parameters).fetchone()[0])

    def _ids(self, query: str, *parameters: Any) -> Iterator[str]:
        return (document_id for (document_id,) in self._db.execute(query, parameters))
