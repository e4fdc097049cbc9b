"""How Alembic reaches the database: through the application's own engine, in one transaction."""

import sys

from alembic import context
from flask import current_app
from sqlalchemy.exc import OperationalError

from app.core import dialects
from app.core.database import db
from app.core.errors import UnsupportedDatabase


def include_name(name: str | None, type_: str, _parents: object) -> bool:
    return type_ != "table" or name in db.metadata.tables


try:
    connection = dialects.for_maintenance(db.engine).connect()
except OperationalError as error:
    sys.exit(f"The database cannot be reached: {error.orig}")
except UnsupportedDatabase as error:
    sys.exit(str(error))

with connection:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        include_name=include_name,
        **current_app.extensions["migrate"].configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()
