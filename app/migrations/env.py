"""How Alembic reaches the database: through the application's own engine, in one transaction."""

from alembic import context
from flask import current_app

from app.core import dialects
from app.core.database import db


def include_name(name: str | None, type_: str, _parents: object) -> bool:
    return type_ != "table" or name in db.metadata.tables


with dialects.writing(db.engine).connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        include_name=include_name,
        **current_app.extensions["migrate"].configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()
