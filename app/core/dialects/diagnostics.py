"""Settings of the database server that the service depends on."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.engine import Connection


@dataclass(frozen=True)
class ServerFacts:
    """What a server says about itself."""

    version: str
    encoding: str
    collation: str
    time: datetime
    read_only: bool
    direct: bool
    """Whether no pooler is in between."""


@dataclass(frozen=True)
class ReplicaFacts:
    """How a replica relates to its primary."""

    is_replica: bool
    """Whether it replays the log of a primary; if not, it is one itself."""
    same_cluster: bool
    lag_bytes: int
    """How much of the primary's log it has not replayed."""
    lag_seconds: float
    """The age of the last transaction that it has replayed, if it has not replayed all."""


_PRIMARY = text("SELECT system_identifier, current_database(), pg_current_wal_lsn()::text FROM pg_control_system()")
_REPLICA = text(
    "SELECT pg_is_in_recovery(), system_identifier, current_database(), behind, CASE WHEN behind > 0 THEN"
    " coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) ELSE 0 END"
    " FROM pg_control_system(), LATERAL (SELECT greatest(0, pg_wal_lsn_diff(CAST(:position AS pg_lsn),"
    " CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)) AS behind) AS lag"
)


def replica_facts(primary: Connection, replica: Connection) -> ReplicaFacts:
    """Return how far a replica is behind its primary. Raises DBAPIError when one of them does not answer."""
    *identity, position = primary.execute(_PRIMARY).one()
    in_recovery, *replica_identity, behind, seconds = replica.execute(_REPLICA, {"position": position}).one()
    return ReplicaFacts(in_recovery, identity == replica_identity, int(behind), float(seconds))


def server_facts(connection: Connection) -> ServerFacts:
    """Return the facts about the server of a connection."""
    if connection.dialect.name == "sqlite":
        version, encoding, time = connection.execute(
            text("SELECT sqlite_version(), 'UTF8', strftime('%Y-%m-%dT%H:%M:%f', 'now')")
        ).one()
        at = datetime.fromisoformat(f"{time}+00:00")
        return ServerFacts(f"SQLite {version}", encoding, "BINARY", at, read_only=False, direct=True)
    version, encoding, collation, time, read_only, pid = connection.execute(
        text(
            "SELECT current_setting('server_version'), current_setting('server_encoding'),"
            " (SELECT datcollate FROM pg_database WHERE datname = current_database()),"
            " clock_timestamp(), current_setting('transaction_read_only') = 'on' OR pg_is_in_recovery(),"
            " pg_backend_pid()"
        )
    ).one()
    info = connection.connection.driver_connection.info  # type: ignore[union-attr]
    return ServerFacts(
        f"PostgreSQL {version}", encoding, collation, time.astimezone(UTC), read_only, pid == info.backend_pid
    )
