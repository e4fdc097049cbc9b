"""The WSGI application, for gunicorn and for the `flask` command."""

import sys

from app import create_app
from app.settings import InvalidSettings

try:
    app = create_app()
except InvalidSettings as error:
    sys.exit(f"Cannot start: {error}")
