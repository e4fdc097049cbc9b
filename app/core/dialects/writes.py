"""Statements that write, where the two need different shapes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    FromClause,
    Insert,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    func,
    insert,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.core.dialects.bulk_copy import insert_rows
from app.core.dialects.json_functions import json_elements, json_strings, json_value
from app.core.dialects.types import Json

Column = tuple[Any, ...]
"""The values of one column of a result."""


class UpdateWithHistory:
    """An UPDATE, and what `returning` says of each updated row inserted `into` a table: built once, run often.

    PostgreSQL does it in one statement, so that the rows never leave the server to come back.
    """

    def __init__(self, change: Update, returning: Mapping[str, ColumnElement[Any]], into: Table) -> None:
        names = ("document_id", "before", "after")
        updated = change.returning(*(value.label(name) for name, value in returning.items())).cte("updated")
        recorded = insert(into).from_select(list(returning), select(updated)).cte("recorded")
        self._in_one = select(*(cast(updated.c[name], Text) for name in names)).add_cte(recorded)
        texts = (type_coerce(returning[name], Text).label(name) for name in names)
        self._update = change.returning(*texts, returning["customer_id"])
        # By the rowid: by document_id, which has another index, recording 10,000 rows takes 50 ms instead of 36.
        updated_ids = select(json_strings(bindparam("updated_ids", type_=Json)).c.value)
        values = select(*returning.values()).where(returning["customer_id"].in_(updated_ids))
        self._record = insert(into).from_select(list(returning), values)

    def run(self, session: Session, parameters: Mapping[str, Any]) -> tuple[Column, Column, Column]:
        """Return the document_ids of the updated rows, and their `before` and `after` as JSON text, in the same order.

        Callers group by the text and parse each distinct one once.
        """
        if session.get_bind().dialect.name == "postgresql":
            document_ids, before, after = _columns(session, self._in_one, parameters, 3)
        else:
            document_ids, before, after, customer_ids = _columns(session, self._update, parameters, 4)
            session.execute(self._record, {"updated_ids": customer_ids})
        return document_ids, before, after


class CombinedInserts:
    """INSERTs, and a last statement that may read the row of the last of them: one statement on PostgreSQL.

    SQLite, which cannot write to two tables at once, runs one after the other.
    """

    def __init__(self, *inserts: Insert, then: Callable[[FromClause], Insert | Update] | None = None) -> None:
        *others, last = inserts
        ctes = [other.cte(f"insert_{number}") for number, other in enumerate(others)]
        if then is None:
            self._each: tuple[Insert | Update, ...] = inserts
            self._in_one: Insert | Update = last.add_cte(*ctes)
        else:
            self._each = (*inserts, then(last.table))
            self._in_one = then(last.returning(*last.table.c).cte("inserted")).add_cte(*ctes)

    def run(self, session: Session, parameters: Mapping[str, Any]) -> None:
        in_one = session.get_bind().dialect.name == "postgresql"
        for statement in (self._in_one,) if in_one else self._each:
            session.execute(statement, parameters)


def _columns(session: Session, statement: Executable, parameters: Mapping[str, Any], number: int) -> list[Column]:
    """Return the columns of the result: so many, empty if there are no rows."""
    rows = _all(session, statement, parameters)
    return list(zip(*rows, strict=True)) if rows else [()] * number


def _all(session: Session, statement: Executable, parameters: Mapping[str, Any] | None = None) -> list[Any]:
    # Fetched at once: iterating asks the driver for one row at a time, 20 ms for 10,000.
    return list(session.execute(statement, parameters).all())


def insert_missing(
    session: Session,
    table: Any,
    names: tuple[str, ...],
    rows: list[dict[str, Any]],
    *,
    always: dict[str, Any] | None = None,
) -> dict[str, int]:
    """Create the rows whose `document_id` is new: the columns in `names` from text, and the JSON columns of `always`.

    Returns the ids of those created, by document_id.
    """
    if not rows:
        return {}
    document_id, values = _payload_columns(table, names, rows)
    given = {name: json_value(value) for name, value in (always or {}).items()}
    postgres = session.get_bind().dialect.name == "postgresql"
    new = (postgresql.insert if postgres else sqlite.insert)(table).from_select(
        ["document_id", *values, *given],
        # In one order everywhere, so that writers wait for one another instead of in a circle. SQLite needs the WHERE
        # to tell ON CONFLICT from a join's ON.
        select(document_id, *values.values(), *given.values()).where(true()).order_by(document_id),
    )
    created = _all(session, new.on_conflict_do_nothing().returning(table.c.document_id, table.c.id))
    return {row.document_id: row.id for row in created}


def insert_new(session: Session, table: Table, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows, each the values of the columns in `names`: numbers, and texts, also those of JSON."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        insert_rows(connection, table, names, rows)
    else:  # One statement for all rows: with one for each row, the full-text index takes twice as long.
        value = json_elements(list(rows)).c.value
        columns = (func.json_extract(value, f"$[{n}]") for n in range(len(names)))
        session.execute(insert(table).from_select(list(names), select(*columns)))


def update_rows(session: Session, table: Any, names: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Write the columns in `names`, from text, of the rows with these `document_id`s."""
    if rows:
        document_id, values = _payload_columns(table, names, rows)
        session.execute(update(table).where(table.c.document_id == document_id).values(values))


def _payload_columns(table: Any, names: tuple[str, ...], rows: list[dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    value = json_elements(rows).c.value
    return value["document_id"].as_string(), {name: cast(value[name].as_string(), table.c[name].type) for name in names}


def upsert_increment(session: Session, table: Any, key: dict[str, Any], name: str, by: int, **values: Any) -> None:
    """Add to a number in the row with this key, inserted if it does not exist; `values` are written as they are."""
    postgres = session.get_bind().dialect.name == "postgresql"
    new = (postgresql.insert if postgres else sqlite.insert)(table).values({**key, name: by, **values})
    session.execute(new.on_conflict_do_update(index_elements=list(key), set_={name: table.c[name] + by, **values}))


def upsert_sums(session: Session, table: Any, name: str, rows: list[dict[str, Any]]) -> None:
    """Add the number `name` of each row to that of the row with its key, which is made if need be."""
    if rows:
        postgres = session.get_bind().dialect.name == "postgresql"
        new = (postgresql.insert if postgres else sqlite.insert)(table)
        added = {name: table.c[name] + new.excluded[name]}
        session.execute(new.on_conflict_do_update(index_elements=list(table.primary_key), set_=added), rows)


def insert_if_absent(session: Session, table: Any, row: dict[str, Any]) -> bool:
    """Insert a row unless its key exists, after waiting for concurrent inserts of it; return whether it is new."""
    postgres = session.get_bind().dialect.name == "postgresql"
    new = (postgresql.insert if postgres else sqlite.insert)(table).values(row).on_conflict_do_nothing()
    return session.execute(new.returning(*table.primary_key)).first() is not None
