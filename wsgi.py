"""The WSGI application, for gunicorn and for the `flask` command."""

import sys

from app import create_app
from app.core.database import check_database, db
from app.core.errors import UnsupportedDatabase
from app.settings import InvalidSettings

try:
    app = create_app()
    with app.app_context():
        check_database(db.engine)
except (InvalidSettings, UnsupportedDatabase) as error:
    sys.exit(f"Cannot start: {error}")
