"""Customers and their history distributed over the workers of a Citus cluster, and what Citus does another way."""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, select, text, update
from sqlalchemy.orm import Session

from app.core.dialects.connections import DISTRIBUTED
from app.core.dialects.json_functions import json_strings
from app.core.errors import Conflict, Unavailable

DISTRIBUTED_TABLES = ("customers", "customer_search", "customer_changes")
REPLICATED_TABLE = "change_set_parts"

KEYS = (
    "ALTER TABLE customer_search DROP CONSTRAINT fk_customer_search_document_id",
    "ALTER TABLE customer_search DROP CONSTRAINT pk_customer_search",
    "ALTER TABLE customer_search DROP CONSTRAINT uq_customer_search_document_id",
    "ALTER TABLE customer_search ADD CONSTRAINT pk_customer_search PRIMARY KEY (document_id)",
    "CREATE INDEX ix_customer_search_id ON customer_search (id)",
    "ALTER TABLE customer_changes DROP CONSTRAINT pk_customer_changes",
    "ALTER TABLE customer_changes ADD CONSTRAINT pk_customer_changes PRIMARY KEY (part_id, number, document_id)",
)
"""A key of a distributed table must contain the column by which it is distributed."""

FOREIGN_KEY = """ALTER TABLE customer_search ADD CONSTRAINT fk_customer_search_document_id
    FOREIGN KEY (document_id) REFERENCES customers (document_id) ON DELETE CASCADE"""

PLACEMENT = (
    f"SELECT create_reference_table('{REPLICATED_TABLE}')",
    *(
        f"SELECT create_distributed_table('{name}', 'document_id', colocate_with => '{group}')"
        for name, group in zip(DISTRIBUTED_TABLES, ("none", "customers", "customers"), strict=True)
    ),
    *(
        f"SELECT truncate_local_data_after_distributing_table('{name}')"
        for name in (REPLICATED_TABLE, *reversed(DISTRIBUTED_TABLES))
    ),
)
"""The rows that were there move; without the truncation, their copies would stay on the coordinator, unseen."""

_NODES = text(
    """SELECT citus_is_coordinator() AS is_coordinator,
    (SELECT count(*) FROM pg_dist_node WHERE shouldhaveshards AND isactive AND noderole = 'primary') AS workers,
    EXISTS (SELECT FROM pg_dist_node WHERE groupid = 0) AS knows_itself,
    EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass('customers')) AS is_done"""
)
_LAYOUT = text(
    """SELECT (SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = to_regclass('customers')) AS shards,
    (SELECT count(*) FROM pg_dist_node WHERE shouldhaveshards AND isactive AND noderole = 'primary') AS workers"""
)


SETTLING_ATTEMPTS = 5

_UNSETTLED = text(
    """SELECT EXISTS (SELECT FROM run_command_on_workers(
    'SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()') WHERE NOT success OR result <> '0')"""
)


class NotDistributable(Conflict):
    code = "NOT_DISTRIBUTABLE"
    explanation = "The database is not that of a Citus coordinator with workers."


@dataclass(frozen=True)
class Layout:
    """Over how many shards and workers customers are distributed, and whether they were already."""

    shards: int
    workers: int
    is_new: bool


def distribute(connection: Connection) -> Layout:
    """Distribute customers, their search and their history by document_id, all or nothing; return how.

    Raises NotDistributable, with what to do, where that is not possible.
    """
    if not connection.info.get(DISTRIBUTED):
        raise NotDistributable(
            "The database is not that of a Citus coordinator. Nothing was changed: on one server, nothing needs to be."
        )
    nodes = connection.execute(_NODES).one()
    if not nodes.is_coordinator:
        raise NotDistributable("This is a worker of the Citus cluster. Set DATABASE_URL to the coordinator.")
    if not nodes.knows_itself:
        raise NotDistributable("Tell the coordinator its address: SELECT citus_set_coordinator_host('<host>', <port>)")
    if not nodes.workers:
        raise NotDistributable("The coordinator has no workers. Add them: SELECT citus_add_node('<host>', <port>)")
    if not nodes.is_done:
        for statement in (*KEYS, *PLACEMENT, FOREIGN_KEY):
            connection.execute(text(statement))
    layout = connection.execute(_LAYOUT).one()
    return Layout(layout.shards, layout.workers, is_new=not nodes.is_done)


def is_distributed(session: Session) -> bool:
    """Return whether the database is that of a Citus coordinator."""
    return bool(session.connection().info.get(DISTRIBUTED))


def fetch_locked(session: Session, query: Select[Any], table: Table) -> list[Row[Any]]:
    """Return the rows of a query, of which those of a table with a document_id are locked until the transaction ends.

    Citus has no FOR UPDATE over several shards: there, an update that changes nothing locks the rows.
    """
    if not is_distributed(session):
        return list(session.execute(query.with_for_update(of=table)).all())
    key = table.c.document_id
    found = key.in_(select(json_strings(list(session.scalars(query.with_only_columns(key)))).c.value))
    session.execute(update(table).where(found).values(part_id=table.c.part_id))
    return list(session.execute(query.where(found)).all())


def check_settled(connection: Connection) -> None:
    """Raise Unavailable while a worker has not committed what the coordinator has: one failed in that instant.

    Citus completes it within a minute of the worker's return. The caller keeps new commits out.
    """
    if not connection.info.get(DISTRIBUTED):
        return
    for _ in range(SETTLING_ATTEMPTS):
        if not connection.scalar(_UNSETTLED):
            return
        time.sleep(0.02)  # it may be a transaction that takes no position, and is committing
    raise Unavailable


def read_every_worker(session: Session) -> None:
    """Let a transaction that reads as of one moment begin on every worker, on the only connection that it will use."""
    if is_distributed(session):
        session.execute(text("SET LOCAL citus.max_adaptive_executor_pool_size = 1"))
        session.execute(text("SELECT document_id FROM customers LIMIT 1"))
