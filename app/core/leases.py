"""Leases: one process at a time works on a row, and another takes over when the first one dies.

The holder writes a random `lease` and a `leased_until` into the row, renews it while it works, and makes its final
statement conditional on the lease. All moments come from the database's clock, and a lease that ends further ahead than
any lease can is void: a clock that once was wrong blocks nothing (as when a machine's clock was a year ahead).
"""

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, and_, not_, update
from sqlalchemy.orm import Mapped, mapped_column

from app.core import dialects
from app.core.database import UtcDateTime


class LeaseColumns:
    """Columns of a model whose rows are claimed."""

    lease: Mapped[str | None]
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


def new_lease() -> str:
    return secrets.token_hex(8)


def lease_values(lease: str, duration: timedelta) -> dict[str, Any]:
    """Return the column values that claim or renew a lease."""
    return {"lease": lease, "leased_until": dialects.database_time(duration.total_seconds())}


NO_LEASE: dict[str, Any] = {"lease": None, "leased_until": None}


def is_leased(table: Any, duration: timedelta) -> ColumnElement[bool]:
    """Whether a process holds the row; `duration` is the longest lease that can be meant."""
    until = table.c.leased_until
    return and_(
        until.is_not(None),
        until > dialects.database_time(),
        until <= dialects.database_time(duration.total_seconds()),
    )


def is_free(table: Any, duration: timedelta) -> ColumnElement[bool]:
    return not_(is_leased(table, duration))


def owned_update(table: Any, row_id: int, lease: str) -> Update:
    """Return an UPDATE of the row that changes nothing once the lease is lost."""
    return update(table).where(table.c.id == row_id, table.c.lease == lease)
