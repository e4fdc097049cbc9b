"""Copying whole tables: a source that holds still, and the fastest way to write rows."""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Table, bindparam, insert, text
from sqlalchemy.exc import DBAPIError, OperationalError

LOCK_TIMEOUT_MS = 2_000


class SourceInUse(Exception):
    """The tables are being written."""


def hold_still(connection: Connection, tables: Iterable[Table]) -> None:
    """Keep writers out of the tables until the transaction ends; to read goes on. Raises SourceInUse.

    On SQLite, the transaction has done so by beginning.
    """
    if connection.dialect.name == "sqlite":
        return
    connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
    names = ", ".join(connection.dialect.identifier_preparer.format_table(table) for table in tables)
    try:
        connection.execute(text(f"LOCK TABLE {names} IN SHARE MODE"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "55P03":
            raise SourceInUse from None
        raise


def insert_rows(connection: Connection, table: Table, types: Sequence[Any], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows with a value for each column, whose types are given: by COPY on PostgreSQL."""
    if connection.dialect.name == "sqlite":
        keys = table.columns.keys()
        values = {key: bindparam(key, type_=type_) for key, type_ in zip(keys, types, strict=True)}
        connection.execute(insert(table).values(values), [dict(zip(keys, row, strict=True)) for row in rows])
        return
    if not connection.in_transaction():
        connection.begin()
    driver: Any = connection.connection.driver_connection
    names = sql.SQL(", ").join(map(sql.Identifier, table.columns.keys()))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
    convert = [type_.dialect_impl(connection.dialect).bind_processor(connection.dialect) for type_ in types]
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row([f(value) if f else value for f, value in zip(convert, row, strict=True)])
    except psycopg.Error as error:
        raise OperationalError(f"COPY {table.name}", None, error) from error
