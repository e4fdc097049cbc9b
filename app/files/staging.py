"""Where a file's rows wait, checked and one per customer, until they are applied.

A private SQLite file on disk, gone when it is closed: memory stays flat for a file of any size, the transaction that
applies it can be tried again, and customers come out in one order, in which all writers take their locks.
"""

import sqlite3
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import orjson

SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -16384;
CREATE TABLE customers (document_id TEXT PRIMARY KEY, line INTEGER, content TEXT) WITHOUT ROWID;
CREATE TABLE duplicates (document_id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID;
CREATE TABLE spoilt (document_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE rejected (line INTEGER, error TEXT, row TEXT);
CREATE TABLE left_out (document_id TEXT, why TEXT);
"""

BATCH = 5_000

Row = dict[str, Any]


class Staging:
    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.isolation_level = None
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._db.close()

    # Taking in

    def add(self, line: int, document_id: str, content: Any) -> None:
        """A customer; the first line of a document_id wins, later ones are duplicates."""
        insert = "INSERT OR IGNORE INTO customers VALUES (?, ?, ?)"
        if not self._db.execute(insert, (document_id, line, orjson.dumps(content).decode())).rowcount:
            self._db.execute("INSERT OR IGNORE INTO duplicates VALUES (?, ?)", (document_id, line))

    def append(self, line: int, document_id: str, element: Any) -> None:
        """One of a customer's several lines; their contents become a list, in the file's order."""
        self._db.execute(
            "INSERT INTO customers VALUES (?1, ?2, json_array(json(?3)))"
            " ON CONFLICT (document_id) DO UPDATE SET content = json_insert(content, '$[#]', json(?3))",
            (document_id, line, orjson.dumps(element).decode()),
        )

    def reject(self, line: int, error: str, row: Row, document_id: str | None = None) -> None:
        """A bad line. With a `document_id`, none of that customer's lines may be applied: see `spoil`."""
        self._db.execute("INSERT INTO rejected VALUES (?, ?, ?)", (line, error, orjson.dumps(row).decode()))
        if document_id is not None:
            self._db.execute("INSERT OR IGNORE INTO spoilt VALUES (?)", (document_id,))

    def spoil(self) -> Iterator[tuple[str, list[Any]]]:
        """Take out, and give back, the customers of whom a line was bad: half of her segments would be wrong ones."""
        query = "SELECT document_id, content FROM customers JOIN spoilt USING (document_id)"
        for document_id, content in self._db.execute(query).fetchall():
            self._db.execute("DELETE FROM customers WHERE document_id = ?", (document_id,))
            yield document_id, orjson.loads(content)

    # Giving out

    def batches(self) -> Iterator[dict[str, Any]]:
        """`{document_id: content}`, some thousands at a time, in the order in which PostgreSQL keeps JSON keys."""
        rows = self._db.execute(
            "SELECT document_id, content FROM customers ORDER BY length(CAST(document_id AS BLOB)), document_id"
        )
        while batch := rows.fetchmany(BATCH):
            yield {document_id: orjson.loads(content) for document_id, content in batch}

    def rejected(self) -> Iterator[tuple[int, str, Row]]:
        for line, error, row in self._db.execute("SELECT line, error, row FROM rejected ORDER BY line"):
            yield line, error, orjson.loads(row)

    def duplicates(self) -> Iterator[str]:
        return self._ids("SELECT document_id FROM duplicates ORDER BY line")

    def count(self, table: str) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our own names

    # What became of them

    def forget_outcome(self) -> None:
        self._db.execute("DELETE FROM left_out")

    def leave_out(self, why: str, document_ids: list[str]) -> None:
        self._db.executemany("INSERT INTO left_out VALUES (?, ?)", [(document_id, why) for document_id in document_ids])

    def left_out(self, why: str) -> Iterator[str]:
        query = "SELECT document_id FROM left_out JOIN customers USING (document_id) WHERE why = ? ORDER BY line"
        return self._ids(query, why)

    def _ids(self, query: str, *parameters: str) -> Iterator[str]:
        return (document_id for (document_id,) in self._db.execute(query, parameters))
