"""Assign an id to each request: the client's if it is valid, else a new one. The response and the logs have it."""

import re
import uuid

import structlog
from flask import Flask, Response, g, request

from app.web.server_environ import REQUEST_ID

VALID_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def init_app(app: Flask) -> None:
    app.before_request(_assign)
    app.after_request(_set_header)


def choose_request_id(client_id: str | None) -> str:
    """Return the id that the client sent if it is valid, else a new one."""
    return client_id if client_id and VALID_ID.fullmatch(client_id) else uuid.uuid4().hex


def _assign() -> None:
    g.request_id = request.environ.get(REQUEST_ID) or choose_request_id(request.headers.get("X-Request-Id"))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _set_header(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    return response
