"""Liveness and readiness, for the operator of the service and for a load balancer."""

from functools import cache

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy.exc import SQLAlchemyError

from app.core.database import db
from app.core.errors import UnsupportedDatabase

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Report that the process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Report whether the database answers and has the schema that this code needs."""
    try:
        migrated = is_migrated()
    except SQLAlchemyError:
        return _not_ready("the database does not answer")
    except UnsupportedDatabase as error:
        return _not_ready(str(error))
    if not migrated:
        return _not_ready("the database is not migrated: flask db upgrade")
    return jsonify(status="ok"), 200


def is_migrated() -> bool:
    """Return whether the database has the newest schema."""
    heads = MigrationContext.configure(db.session.connection()).get_current_heads()
    return set(heads) == set(_expected(current_app.extensions["migrate"].directory))


def _not_ready(status: str) -> tuple[Response, int]:
    response = jsonify(status=status)
    response.headers["Retry-After"] = "5"
    return response, 503


@cache
def _expected(directory: str) -> tuple[str, ...]:
    config = Config()
    config.set_main_option("script_location", directory)
    return tuple(ScriptDirectory.from_config(config).get_heads())
