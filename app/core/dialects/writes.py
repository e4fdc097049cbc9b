"""Statements that write, where the two need different shapes."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Table,
    Text,
    Update,
    cast,
    insert,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.core.dialects.json_rows import elements, json_value, texts


def update_and_record(
    session: Session, change: Update, returning: Mapping[str, ColumnElement[Any]], into: Table
) -> list[tuple[str, str, str]]:
    """Run `change`, insert what `returning` says of each updated row into `into`.

    Gives back (document_id, before, after) of each, the last two as JSON text: callers group by the text and parse
    only what differs. PostgreSQL does it in one statement, so that the rows never leave the server to come back.
    """
    told = ("document_id", "before", "after")
    if session.get_bind().dialect.name == "postgresql":
        updated = change.returning(*(value.label(name) for name, value in returning.items())).cte("updated")
        recorded = insert(into).from_select(list(returning), select(updated)).cte("recorded")
        told_rows = select(*(cast(updated.c[name], Text) for name in told)).add_cte(recorded)
        return _all(session, told_rows)
    rows = _all(session, change.returning(*(type_coerce(returning[name], Text).label(name) for name in told)))
    updated_ids = select(texts([document_id for document_id, _, _ in rows]).c.value)
    values = select(*returning.values()).where(returning["document_id"].in_(updated_ids))
    session.execute(insert(into).from_select(list(returning), values))
    return rows


def _all(session: Session, statement: Executable) -> list[Any]:
    # Fetched at once: iterating asks the driver for one row at a time, 20 ms for 10,000.
    return list(session.execute(statement).all())


def create(
    session: Session,
    table: Any,
    names: tuple[str, ...],
    rows: list[dict[str, Any]],
    *,
    always: dict[str, Any] | None = None,
) -> list[str]:
    """Create the rows whose `document_id` is new: the text columns in `names`, and the JSON columns of `always`.

    Gives back the document_ids created.
    """
    if not rows:
        return []
    document_id, values = _sent(table, names, rows)
    given = {name: json_value(value) for name, value in (always or {}).items()}
    postgres = session.get_bind().dialect.name == "postgresql"
    new = (postgresql.insert if postgres else sqlite.insert)(table).from_select(
        ["document_id", *values, *given],
        # In one order everywhere, so that writers wait for one another instead of in a circle. SQLite needs the WHERE
        # to tell ON CONFLICT from a join's ON.
        select(document_id, *values.values(), *given.values()).where(true()).order_by(document_id),
    )
    return [row[0] for row in _all(session, new.on_conflict_do_nothing().returning(table.c.document_id))]


def update_rows(session: Session, table: Any, names: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Write the text columns in `names` of the rows with these `document_id`s."""
    if rows:
        document_id, values = _sent(table, names, rows)
        session.execute(update(table).where(table.c.document_id == document_id).values(values))


def _sent(table: Any, names: tuple[str, ...], rows: list[dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    value = elements(rows).c.value
    return value["document_id"].as_string(), {name: cast(value[name].as_string(), table.c[name].type) for name in names}


def increase(session: Session, table: Any, key: dict[str, Any], name: str, by: int, **values: Any) -> None:
    """Add to a number in the row with this key, made if need be; `values` are written as they are."""
    postgres = session.get_bind().dialect.name == "postgresql"
    new = (postgresql.insert if postgres else sqlite.insert)(table).values({**key, name: by, **values})
    session.execute(new.on_conflict_do_update(index_elements=list(key), set_={name: table.c[name] + by, **values}))


def insert_new(session: Session, table: Any, row: dict[str, Any]) -> bool:
    """Insert a row unless its key is there; whoever else is just inserting it is waited for. Whether it was new."""
    postgres = session.get_bind().dialect.name == "postgresql"
    new = (postgresql.insert if postgres else sqlite.insert)(table).values(row).on_conflict_do_nothing()
    return session.execute(new.returning(*table.primary_key)).first() is not None
