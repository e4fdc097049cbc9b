"""Turn exceptions into responses: the API's error object under /api, a page elsewhere."""

import errno
from collections.abc import Callable

import structlog
from flask import Flask, g, request
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from app.api import errors as api_errors
from app.core.database import db, raise_if_unavailable
from app.core.errors import DomainError, Unavailable
from app.pages import errors as page_errors

log = structlog.get_logger()

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class StorageFull(Unavailable):
    code = "UNAVAILABLE"
    explanation = "A temporary file cannot be written."
    example = "The disk of the service is full or read-only. Nothing was changed; try again later."
    title = "The disk of the service is full"
    advice = "Try again later, or tell the operator of the service."


ViewResponse = BaseResponse | tuple[str, int, dict[str, str]]


def init_app(app: Flask) -> None:
    app.register_error_handler(DomainError, _domain_error)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(DBAPIError, _database_error)
    app.register_error_handler(PoolTimeout, _database_error)
    app.register_error_handler(OSError, _system_error)
    app.register_error_handler(Exception, _internal_error)


def tolerate_failing_teardown(app: Flask) -> None:
    """Return a connection that is broken to the pool without an error: the response is complete at this point."""

    def remove_session(_error: BaseException | None) -> None:
        try:
            db.session.remove()
        except SQLAlchemyError as error:
            log.warning("session_not_closed", exc_info=error)
            db.session.registry.clear()

    app.teardown_appcontext_funcs[:] = [remove_session]


def _for_api() -> bool:
    return request.path == "/api" or request.path.startswith("/api/")


def _domain_error(error: DomainError) -> ViewResponse:
    if _for_api():
        return api_errors.handle_domain_error(error)
    return _or_plain(lambda: page_errors.handle_domain_error(error), error.status)


def _http_exception(error: HTTPException) -> ViewResponse:
    if error.code is None or error.code < 400:  # a redirect
        return error.get_response()
    if _for_api():
        return api_errors.handle_http_exception(error)
    return page_errors.handle_http_exception(error)


def _database_error(error: DBAPIError | PoolTimeout) -> ViewResponse:
    try:
        raise_if_unavailable(error)
    except Unavailable as unavailable:
        return _domain_error(unavailable)
    return _internal_error(error)


def _system_error(error: OSError) -> ViewResponse:
    if error.errno not in NO_SPACE:
        return _internal_error(error)
    log.error("storage_full", exc_info=error)
    return _domain_error(StorageFull())


def _internal_error(error: Exception) -> ViewResponse:
    log.error("request_failed", exc_info=error)
    if _for_api():
        return api_errors.internal_error(g.request_id)
    return _or_plain(page_errors.internal_error, 500)


def _or_plain(render: Callable[[], ViewResponse], status: int) -> ViewResponse:
    """Return the page, or a text if the page cannot be rendered: it needs the session, and so the database."""
    try:
        return render()
    except Exception as error:
        log.error("error_page_failed", exc_info=error)
        text = f"Something went wrong on our side. Nothing was changed. Request id: {g.get('request_id')}"
        return text, status, {"Content-Type": "text/plain; charset=utf-8"}
