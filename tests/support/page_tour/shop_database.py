"""Changes to the database of a shop behind its server: states that a browser alone reaches too late, or never."""

import sqlite3

from bench.servers.gunicorn import Server


def update_last_job(server: Server, assignments: str) -> None:
    _execute(server, f"UPDATE jobs SET {assignments} WHERE id = (SELECT max(id) FROM jobs)")


def add_entries(server: Server, count: int) -> None:
    """Let the second change of the shop seem to have `count` more entries."""
    _execute(server, f"UPDATE change_set_parts SET entries = entries + {count} WHERE change_set_id = 2")


def end_last_session(server: Server) -> None:
    """End the newest session, as an admin can."""
    _execute(server, "DELETE FROM operator_sessions WHERE id = (SELECT max(id) FROM operator_sessions)")


def _execute(server: Server, statement: str) -> None:
    with sqlite3.connect(server.log.parent / "shop.db") as database:
        database.execute(statement)
    database.close()
