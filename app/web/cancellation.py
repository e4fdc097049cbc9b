"""End the database query of a request that only reads when its client has disconnected."""

import threading
from typing import Any

from flask import Flask, has_request_context, request
from sqlalchemy import event

from app.core import dialects
from app.core.database import db
from app.web.server_environ import CANCELLATION, SAFE_METHODS


class Cancellation:
    """The database connections that one request uses at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: list[Any] = []

    def add(self, connection: Any) -> None:
        with self._lock:
            self._connections.append(connection)

    def remove(self, connection: Any) -> None:
        """Forget a connection before another request can use it. Waits while `cancel` is at work."""
        with self._lock:
            self._connections.remove(connection)

    def cancel(self) -> None:
        """End the running queries."""
        with self._lock:
            for connection in self._connections:
                dialects.cancel_query(connection)


def init_app(app: Flask) -> None:
    with app.app_context():
        for engine in db.engines.values():
            event.listen(engine, "checkout", _on_checkout)
            event.listen(engine, "checkin", _on_checkin)


def _on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
    if has_request_context() and request.method in SAFE_METHODS:
        cancellation = request.environ.get(CANCELLATION)
        if cancellation is not None:
            record.info[CANCELLATION] = cancellation, connection
            cancellation.add(connection)


def _on_checkin(_connection: Any, record: Any) -> None:  # None, if the connection was lost
    cancellation, connection = record.info.pop(CANCELLATION, (None, None))
    if cancellation is not None:
        cancellation.remove(connection)
