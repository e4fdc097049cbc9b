"""A database on all nodes of a Citus cluster, for the tests that run on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, NullPool, create_engine, text

SHARDS = 4
"""Of each table: enough for several on one worker, and few, because each test empties all of them."""

NODES = "SELECT nodename, nodeport FROM pg_dist_node WHERE noderole = 'primary' AND groupid > 0"


def create_database(coordinator: URL, name: str) -> URL:
    """Create an empty database of this name on the coordinator at this URL and on its workers; return its URL."""
    with _connected(coordinator) as connection:
        workers = connection.execute(text(NODES)).all()
    for url in (coordinator, *(coordinator.set(host=host, port=port) for host, port in workers)):
        with _connected(url) as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name}"))
            connection.execute(text(f"ALTER DATABASE {name} SET citus.shard_count = {SHARDS}"))
        with _connected(url.set(database=name)) as connection:
            connection.execute(text("CREATE EXTENSION citus"))
    created = coordinator.set(database=name)
    with _connected(created) as connection:
        address = {"host": coordinator.host, "port": coordinator.port}
        connection.execute(text("SELECT citus_set_coordinator_host(:host, :port)"), address)
        for host, port in workers:
            connection.execute(text("SELECT citus_add_node(:host, :port)"), {"host": host, "port": port})
    return created


@contextmanager
def _connected(url: URL) -> Iterator[Connection]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
