"""The numbers of new rows: read from one database, and continued in another."""

import re
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, Integer, Table, func, select, text

POSITIONS = "part_positions"
"""Places in the feed: a sequence on PostgreSQL, the ids of parts on SQLite."""
PARTS = "change_set_parts"

_SEQUENCE_OF_ID = text(
    """SELECT coalesce(pg_get_serial_sequence(:table, 'id'), pg_get_expr(adbin, adrelid)) FROM pg_attribute
       LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
       WHERE attrelid = CAST(:table AS regclass) AND attname = 'id'"""
)


def last_numbers(connection: Connection, tables: Iterable[Table]) -> dict[str, int]:
    """Return the last number used by each table, and under POSITIONS the last place in the feed."""
    numbered = [table for table in tables if _is_numbered(table)]
    largest = {table.name: connection.scalar(select(func.max(table.c.id))) or 0 for table in numbered}
    given = _given(connection, numbered)
    numbers = {name: max(number, given.get(name, 0)) for name, number in largest.items()}
    return {**numbers, POSITIONS: given.get(POSITIONS, numbers.get(PARTS, 0))}


def _is_numbered(table: Table) -> bool:
    return "id" in table.c and isinstance(table.c.id.type, Integer)


def _given(connection: Connection, tables: list[Table]) -> dict[str, int]:
    if connection.dialect.name == "sqlite":
        return {row.name: row.seq for row in connection.execute(text("SELECT name, seq FROM sqlite_sequence"))}
    sequences = {table.name: _sequence(connection, table.name) for table in tables} | {POSITIONS: POSITIONS}
    found = {name: sequence for name, sequence in sequences.items() if sequence}
    query = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {}"
    return {name: connection.scalar(text(query.format(sequence))) or 0 for name, sequence in found.items()}


def continue_numbers(connection: Connection, numbers: Mapping[str, int]) -> None:
    """Let new rows follow these numbers."""
    for name, number in numbers.items():
        if connection.dialect.name == "sqlite":
            _continue_on_sqlite(connection, name, number)
        else:
            sequence = name if name == POSITIONS else _sequence(connection, name)
            if sequence and number:
                connection.execute(
                    text("SELECT setval(CAST(:sequence AS regclass), :number)"),
                    {"sequence": sequence, "number": number},
                )


def _continue_on_sqlite(connection: Connection, name: str, number: int) -> None:
    if name == POSITIONS:
        name = PARTS  # a part's id is its position: ids must go on above both
    values = {"name": name, "number": number}
    connection.execute(text("UPDATE sqlite_sequence SET seq = max(seq, :number) WHERE name = :name"), values)


def _sequence(connection: Connection, table: str) -> str | None:
    found = connection.scalar(_SEQUENCE_OF_ID, {"table": table})
    match = re.search(r"nextval\('([^']+)'", found or "")
    return match[1] if match else found
