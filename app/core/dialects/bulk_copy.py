"""Copying whole tables: a source that holds still, and the fastest way to write rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Table, event, text
from sqlalchemy.exc import DBAPIError

LOCK_TIMEOUT_MS = 2_000

ROWS = "rows"
"""The execution option with the rows of `insert_rows`."""


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


def insert_rows(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows, each the values of the columns in `names` as the driver takes them: JSON as its text.

    PostgreSQL writes them while the next ones are computed.
    """
    prepare = connection.dialect.identifier_preparer
    into = f"{prepare.format_table(table)} ({', '.join(map(prepare.quote, names))})"
    if connection.dialect.name == "sqlite":
        statement = f"INSERT INTO {into} VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - names of columns
    else:
        statement = f"COPY {into} FROM STDIN"
    connection.exec_driver_sql(statement, execution_options={ROWS: rows})


@event.listens_for(Engine, "do_execute")
def _send_rows(cursor: Any, statement: str, _parameters: object, context: Any) -> bool:
    """Run the statement of `insert_rows`; return whether it was one."""
    rows = context.execution_options.get(ROWS)
    if rows is None:
        return False
    if context.dialect.name == "sqlite":
        cursor.executemany(statement, rows)
    else:
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    return True
