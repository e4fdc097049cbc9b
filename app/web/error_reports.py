"""Reports of logged exceptions to Sentry; imported only where SENTRY_DSN is set.

A report has the type of the exception, where it was raised, and the request id: no message, no variable, no URL.
"""

from typing import TYPE_CHECKING

import sentry_sdk
import structlog
from flask import Flask

from app.web.logging import error_reporters

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

KEPT = (
    "event_id",
    "timestamp",
    "platform",
    "level",
    "environment",
    "release",
    "sdk",
    "exception",
    "tags",
    "server_name",
)


def init_app(app: Flask) -> None:
    """Report exceptions to the project of SENTRY_DSN."""
    sentry_sdk.init(
        app.config["SENTRY_DSN"],
        environment=app.config["ENVIRONMENT_NAME"],
        default_integrations=False,  # they would read requests, arguments and log messages
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=_remove_data,
    )
    if _report not in error_reporters:
        error_reporters.append(_report)


def _report(error: BaseException) -> None:
    with sentry_sdk.new_scope() as scope:
        scope.set_tag("request_id", structlog.contextvars.get_contextvars().get("request_id"))
        scope.capture_exception(error)


def _remove_data(event: "Event", _hint: "Hint") -> "Event":
    for value in event.get("exception", {}).get("values", []):
        value["value"] = ""
    return {key: value for key, value in event.items() if key in KEPT}  # type: ignore[return-value]
