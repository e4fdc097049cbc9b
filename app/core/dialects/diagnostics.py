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
