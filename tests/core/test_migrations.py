"""The migrations lead to the models, and back, on both databases."""

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from sqlalchemy import inspect

from app.core.database import db

pytestmark = pytest.mark.parametrize("app", ["sqlite", "postgresql"], indirect=True)  # on Citus, keys differ


def test_migrations_lead_to_the_models(app: Flask) -> None:
    with db.engine.connect() as connection:
        opts = {"compare_type": True, "include_name": lambda name, *_: not (name or "").startswith("customer_terms")}
        context = MigrationContext.configure(connection, opts=opts)
        differences = compare_metadata(context, db.metadata)
        if connection.dialect.name == "sqlite":  # which has no GIN
            gin = ("ix_customers_segments", "ix_customer_search_terms")
            differences = [d for d in differences if d[0] != "add_index" or d[1].name not in gin]
            # A customer's document_id is the key on PostgreSQL, and unique on SQLite, which numbers rows by `id`.
            differences = [d for d in differences if d[0] != "remove_constraint" or d[1].table.name != "customers"]
        assert differences == []


def test_downgrade_removes_every_table_and_upgrade_restores_them(app: Flask) -> None:
    before = set(inspect(db.engine).get_table_names())
    db.session.remove()
    flask_migrate.downgrade(revision="base")
    assert inspect(db.engine).get_table_names() == ["alembic_version"]
    flask_migrate.upgrade()
    assert set(inspect(db.engine).get_table_names()) == before
