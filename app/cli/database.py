"""flask db copy and flask db distribute: everything into another database, or over the workers of a Citus cluster."""

import os

import click
import flask_migrate.cli
from flask import current_app
from sqlalchemy import make_url

from app.cli.terminal import fail, pluralize, print_message, progress, reports_errors
from app.core import dialects
from app.core.database import db
from app.core.database_copy import copy_database
from app.core.dialects import distribution
from app.settings import InvalidSettings

FACTORY = "app_factory"
"""The key of the application's factory among its extensions; the application imports its commands."""


@flask_migrate.cli.db.command("copy")  # type: ignore[untyped-decorator]
@click.option("--to", "url", required=True, metavar="URL", help="The database to fill, as DATABASE_URL names it.")
@reports_errors
def copy(url: str) -> None:
    """Copy everything from DATABASE_URL into another, empty database: from SQLite to PostgreSQL, for example.

    Stop the service first, and keep SECRET_KEY: second factors, webhooks and erasures are encrypted under keys derived
    from it. Run the same command again to continue a copy that was interrupted. The digest of each table, which is that
    of the original, goes to stdout.
    """
    source, tables = db.engine, db.metadata.sorted_tables
    secret = {"SECRET_KEY": current_app.config["SECRET_KEY"]}
    try:
        target = current_app.extensions[FACTORY]({**os.environ, **secret, "DATABASE_URL": url})
    except InvalidSettings as error:
        fail(str(error))
    if target.config["DATABASE_URL"] == current_app.config["DATABASE_URL"]:
        fail("This is the database itself. Name another one.")
    with target.app_context():
        flask_migrate.upgrade()
        try:
            digests = copy_database(source, db.engine, tables, lambda name: progress(name, None))
        finally:
            db.engine.dispose()
    for name, digest in digests.items():
        click.echo(f"{digest}  {name}")
    name = make_url(url).render_as_string()  # without the password
    print_message(f"Copied {len(digests)} tables to {name}. Set DATABASE_URL to it, and start the service.")


@flask_migrate.cli.db.command("distribute")  # type: ignore[untyped-decorator]
@reports_errors
def distribute() -> None:
    """Distribute customers and their history over the workers of a Citus cluster, if this is its coordinator.

    Stop the service first: the tables are locked while their rows move. All of it is done, or nothing.
    """
    with dialects.for_maintenance(db.engine).begin() as connection:
        layout = distribution.distribute(connection)
    done = "distributed" if layout.is_new else "distributed already"
    print_message(
        f"Customers, their search and their history are {done}: {layout.shards} shards by document_id, on"
        f" {pluralize(layout.workers, 'worker')}. The parts of change sets are on every node. All other tables are on"
        " the coordinator."
    )
