"""Copying everything from one database to another, from SQLite to PostgreSQL for example (contract §8)."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    cast,
    delete,
    func,
    insert,
    inspect,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.core import dialects
from app.core.database import JsonText
from app.core.errors import Conflict
from app.core.limits import BATCH_SIZE

Progress = Callable[[int], None]
TableRow = tuple[Any, ...]

NullableJson = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""JSON whose absence is NULL, not the JSON null."""

unfinished = Table("unfinished_copy", MetaData(), Column("table_name", String, primary_key=True))
"""In the target while a copy is under way: the tables that are complete."""

DIGEST_BITS = 256


class SourceChanging(Conflict):
    code = "SOURCE_CHANGING"
    explanation = "The database to copy is being changed."


class TargetInUse(Conflict):
    code = "TARGET_IN_USE"
    explanation = "The database to copy to is not empty."


class CopyDiffers(Conflict):
    code = "COPY_DIFFERS"
    explanation = "A copied table differs from the original."


def copy_database(
    source: Engine, target: Engine, tables: Iterable[Table], progress: Callable[[str], Any]
) -> dict[str, str]:
    """Copy all rows of these tables, which exist in both databases; return the digest of each table.

    The tables are in the order of their foreign keys. `progress(name)` is a context manager that yields a function for
    the number of copied rows. A copy that was interrupted is continued. Nobody can write to the source meanwhile.

    Raises SourceChanging, TargetInUse, and CopyDiffers if a digest is not that of the original, because the source was
    changed after an interruption; the target is emptied then.
    """
    ordered, digests = list(tables), {}
    with dialects.for_snapshot(source).connect() as reader, dialects.for_maintenance(target).connect() as writer:
        try:
            dialects.hold_still(reader, ordered)
        except dialects.SourceInUse:
            raise SourceChanging("The database is being changed. Stop the service first.") from None
        _begin(target, writer, ordered)
        complete = set(writer.scalars(select(unfinished.c.table_name)))
        for table in ordered:
            with progress(table.name) as advance:
                if table.name not in complete:
                    _copy_table(reader, writer, table, advance)
                digests[table.name] = digest(reader, table)
                if digest(writer, table) != digests[table.name]:
                    _start_again(writer, ordered)
                    raise CopyDiffers(
                        f"The original of the table {table.name} was changed after the interruption. The target was"
                        " emptied. Stop the service, and run the command again to copy everything."
                    )
        dialects.continue_numbers(writer, dialects.last_numbers(reader, ordered))
        unfinished.drop(writer)
        writer.commit()
    return digests


def _begin(target: Engine, writer: Connection, tables: list[Table]) -> None:
    """Raise TargetInUse unless the target is empty, or the target of an unfinished copy."""
    if not inspect(target).has_table(unfinished.name):
        used = next((table.name for table in tables if writer.scalar(select(1).select_from(table).limit(1))), None)
        if used:
            raise TargetInUse(f"The database to copy to is not empty: its table {used} has rows.")
        unfinished.create(writer)
    writer.commit()


def _start_again(writer: Connection, tables: list[Table]) -> None:
    """Empty the target: rows of different moments do not fit together."""
    for table in (unfinished, *reversed(tables)):
        writer.execute(delete(table))
    writer.commit()


def _copy_table(reader: Connection, writer: Connection, table: Table, advance: Progress) -> None:
    after = _last_key(writer, table)
    if after is None:
        writer.execute(delete(table))
    copied = writer.scalar(select(func.count()).select_from(table)) or 0
    convert = [_converter(column, writer) for column in table.columns]
    for batch in _batches(reader, table, after):
        rows = ([f(value) if f else value for f, value in zip(convert, row, strict=True)] for row in batch)
        dialects.insert_rows(writer, table, table.columns.keys(), rows)
        writer.commit()
        copied += len(batch)
        advance(copied)
    writer.execute(insert(unfinished).values(table_name=table.name))
    writer.commit()


def _last_key(writer: Connection, table: Table) -> tuple[Any, ...] | None:
    """Return the key of the last row copied; None if there is none, or if databases may order keys differently."""
    keys = list(table.primary_key)
    if not all(isinstance(key.type, Integer) or key.type is dialects.BytewiseString for key in keys):
        return None
    row = writer.execute(select(*keys).order_by(*(key.desc() for key in keys)).limit(1)).first()
    return tuple(row) if row else None


def _batches(reader: Connection, table: Table, after: tuple[Any, ...] | None) -> Iterator[list[TableRow]]:
    keys = list(table.primary_key)
    query = select(*map(_read, table.columns)).order_by(*keys)
    if after is not None:
        query = query.where(tuple_(*keys) > tuple_(*after))
    result = reader.execute(query, execution_options={"yield_per": BATCH_SIZE})
    for rows in result.partitions():
        yield [tuple(map(_parse, table.columns, row)) for row in rows]


def _is_json(column: Column[Any]) -> bool:
    return isinstance(column.type, JSON)


def _read(column: Column[Any]) -> Any:
    """Return the expression by which a column is read: JSON as text, because its null is not NULL."""
    return cast(column, Text).label(column.name) if _is_json(column) else column


def _parse(column: Column[Any], value: Any) -> Any:
    return JsonText.of(orjson.loads(value)) if _is_json(column) and value is not None else value


def _converter(column: Column[Any], writer: Connection) -> Callable[[Any], Any] | None:
    """Return the function that makes of a value what the driver takes; None where that is the value."""
    type_ = NullableJson if _is_json(column) else column.type
    return type_.dialect_impl(writer.dialect).bind_processor(writer.dialect)


def digest(connection: Connection, table: Table) -> str:
    """Return a digest of all rows of a table, in whatever order the database has them."""
    total = 0
    query = select(*map(_read, table.columns))
    result = connection.execute(query, execution_options={"yield_per": BATCH_SIZE})
    for row in result:
        content = orjson.dumps([_normalize(*pair) for pair in zip(table.columns, row, strict=True)])
        total += int.from_bytes(hashlib.sha256(content).digest())
    return f"{total % 2**DIGEST_BITS:0{DIGEST_BITS // 4}x}"


def _normalize(column: Column[Any], value: Any) -> Any:
    """Return a value as JSON, the same from both databases."""
    if _is_json(column) and value is not None:
        return orjson.dumps(orjson.loads(value), option=orjson.OPT_SORT_KEYS).decode()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value.isoformat() if isinstance(value, datetime | date) else value
