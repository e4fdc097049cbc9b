"""The database's clock: one for all processes, whatever the clocks of their machines say."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Float, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class DatabaseTime(FunctionElement[datetime]):
    """The moment at which the statement runs, plus a number of seconds."""

    type = DateTime(timezone=True)
    name = "database_time"
    inherit_cache = True


def database_time(offset_s: float = 0.0) -> DatabaseTime:
    return DatabaseTime(literal(float(offset_s), Float()))


@compiles(DatabaseTime, "postgresql")
def _postgresql(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    return (
        f"(clock_timestamp() + make_interval(secs => CAST({compiler.process(element.clauses, **options)} AS float8)))"
    )


@compiles(DatabaseTime, "sqlite")
def _sqlite(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    # As SQLAlchemy writes moments: with six digits after the second, so that their texts compare like the moments.
    offset = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ({offset}) || ' seconds')"
