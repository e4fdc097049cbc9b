"""What gunicorn serves and `flask` finds."""

import sys

from app import create_app
from app.settings import InvalidSettings

try:
    app = create_app()
except InvalidSettings as problem:
    sys.exit(f"Cannot start: {problem}")
