"""Logs as text or JSON: one line per request, with its request id, token name and change set.

A line holds no personal data and no token. It has the URL rule instead of the path, which contains document_ids; no
query string; and of an exception the type and the traceback, but not the message.
"""

import logging
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import structlog
from flask import Flask, Response, g, request

log = structlog.get_logger("app.request")

error_reporters: list[Callable[[BaseException], None]] = []
"""Each is called with every exception that is logged as an error."""


def _safe_exception(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        if event["level"] == "error":
            for report in error_reporters:
                report(error)
        event["exception"] = type(error).__qualname__
        event["sqlstate"] = getattr(getattr(error, "orig", None), "sqlstate", None)
        event["traceback"] = "".join(traceback.format_tb(error.__traceback__))
        if event["sqlstate"] is None:
            del event["sqlstate"]
    return event


def configure(log_format: str) -> None:
    """Send structlog's and the standard library's loggers, gunicorn's included, through one formatter to stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _safe_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def init_app(app: Flask) -> None:
    configure(app.config["LOG_FORMAT"])
    app.before_request(_start)
    app.after_request(_log_request)


def _start() -> None:
    g.started = time.perf_counter()


def _log_request(response: Response) -> Response:
    log.info(
        "request",
        method=request.method,
        route=request.url_rule.rule if request.url_rule else None,
        status=response.status_code,
        ms=round((time.perf_counter() - g.started) * 1000, 1),
        **({"change_set": response.headers["Change-Set"]} if "Change-Set" in response.headers else {}),
    )
    return response
