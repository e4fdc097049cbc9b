"""Whatever is raised becomes an answer here: the API's envelope under /api, a page anywhere else."""

import structlog
from flask import Flask, g, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from app.api import errors as api_errors
from app.core.database import raise_unavailable
from app.core.errors import Refusal, Unavailable
from app.pages import errors as page_errors

log = structlog.get_logger()

Answer = BaseResponse | tuple[str, int]


def init_app(app: Flask) -> None:
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(HTTPException, _refused_by_framework)
    app.register_error_handler(DBAPIError, _database_failed)
    app.register_error_handler(PoolTimeout, _database_failed)
    app.register_error_handler(Exception, _failed)


def _for_api() -> bool:
    return request.path == "/api" or request.path.startswith("/api/")


def _refused(refusal: Refusal) -> Answer:
    return api_errors.refused(refusal) if _for_api() else page_errors.refused(refusal)


def _refused_by_framework(error: HTTPException) -> Answer:
    if error.code is None or error.code < 400:  # a redirect
        return error.get_response()
    if _for_api():
        return api_errors.refused_by_framework(error)
    return page_errors.refused_by_framework(error)


def _database_failed(error: DBAPIError | PoolTimeout) -> Answer:
    try:
        raise_unavailable(error)
    except Unavailable as refusal:
        log.warning("database unavailable", exc_info=error)
        return _refused(refusal)
    return _failed(error)


def _failed(error: Exception) -> Answer:
    log.error("failed", exc_info=error)
    if _for_api():
        return api_errors.failed(g.request_id)
    return page_errors.failed()
