"""Whether a transaction was committed whose answer was lost."""

import time
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Select, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.dialects.connections import connect_for_reads
from app.core.errors import Unavailable

COMMIT_LOOKUP_S = 10
"""How long to find it out."""

INVALID_PARAMETER_VALUE = "22023"

_COMMIT_STATUS = text(
    """SELECT pg_xact_status(CAST(:number AS xid8)) AS status,
    greatest(pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_bgwriter)) AS started,
    greatest(pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_bgwriter)) > CAST(:begun AS timestamptz)
    AS restarted"""
)
"""The server resets its statistics when it recovers from a crash, also if the process that listens survived it."""


def was_committed(engine: Engine, transaction_id: str, evidence: Select[Any] | None = None) -> bool:
    """Return whether a transaction was committed whose answer was lost. Raises Unavailable if that stays unknown.

    A server that crashed gives the numbers of transactions that it lost to others. Then only `evidence` tells: a query
    for the moment at which a row was written that the transaction inserted, and whose key others may get, too.
    """
    number, _, begun = transaction_id.partition(" ")
    deadline = time.monotonic() + COMMIT_LOOKUP_S
    while time.monotonic() < deadline:
        try:
            with connect_for_reads(engine) as connection:
                row = connection.execute(_COMMIT_STATUS, {"number": number, "begun": begun}).one()
                if row.status == "committed" and row.restarted:
                    return _has_evidence(connection, evidence, row.started)
        except (DBAPIError, PoolTimeout) as error:
            if getattr(getattr(error, "orig", None), "sqlstate", None) == INVALID_PARAMETER_VALUE:
                return False  # no transaction had this number yet: the server lost it
            time.sleep(0.2)
            continue
        if row.status in ("committed", "aborted"):
            return bool(row.status == "committed")
        time.sleep(0.2)
    raise Unavailable


def _has_evidence(connection: Connection, evidence: Select[Any] | None, started: datetime) -> bool:
    if evidence is None:
        raise Unavailable
    written_at = connection.execute(evidence).scalar()
    return written_at is not None and written_at < started
