"""flask backup FILE, flask restore FILE"""

from pathlib import Path

import click
import flask_migrate
from sqlalchemy import inspect

from app.access.operators import Operator
from app.cli.customers import erase_recorded
from app.cli.terminal import fail, pluralize, print_message, reports_errors
from app.core.changes.erasure_log import recorded_erasures
from app.core.database import db
from app.core.dialects import backup as files
from app.core.models.customers import has_customers


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@reports_errors
def backup(file: Path) -> None:
    """Write a copy of the SQLite database to a new FILE, while the service runs."""
    if not files.is_file_database(db.engine):
        fail(f"The database is PostgreSQL. Use its own program:\n{_command('pg_dump --format=custom --file', file)}")
    try:
        files.copy_to(db.engine, file)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}. Choose a new file in a folder that is writable.")
    print_message(f"Saved {file.stat().st_size:,} bytes to {file}.")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@reports_errors
def restore(file: Path) -> None:
    """Fill an empty SQLite database from a backup FILE. Stop the service first.

    Customers who were erased after the backup was made are erased again, if the erasure log is there.
    """
    if not files.is_file_database(db.engine):
        command = _command("pg_restore --clean --if-exists --no-owner --dbname", file)
        again = "  flask customers erase --again"
        fail(f"The database is PostgreSQL. Use its own program, then erase again who was erased:\n{command}\n{again}")
    if _is_used():
        fail(f"The database {db.engine.url.database} is not empty. Stop the service and move the file away first.")
    db.session.remove()
    db.engine.dispose()
    try:
        files.copy_from(file, db.engine)
    except files.InvalidBackup as error:
        fail(str(error))
    print_message(f"Restored {file}.")
    if any(recorded_erasures()):
        flask_migrate.upgrade()
        print_message(f"{pluralize(erase_recorded(), 'customer')} erased again, whom the backup still had.")
    else:
        print_message("Now bring it to the newest schema: flask db upgrade")


def _is_used() -> bool:
    """Return whether the database has customers or operators."""
    tables = inspect(db.engine).get_table_names()
    if "customers" not in tables:
        return False
    return has_customers() or db.session.query(Operator.id).first() is not None


def _command(program: str, file: Path) -> str:
    address = db.engine.url._replace(drivername="postgresql", password=None).render_as_string()
    return f"  {program} {file} {address}" if "dump" in program else f"  {program} {address} {file}"
