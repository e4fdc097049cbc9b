"""The JSON API: every URL under /api. It understands a request, calls the core, and answers."""

from flask import Blueprint

from app.api import auth, etag, rate_limit, token_requests

blueprint = Blueprint("api", __name__, url_prefix="/api")
blueprint.before_request(auth.authenticate)
blueprint.after_request(rate_limit.add_headers)
blueprint.after_request(token_requests.log_request)
blueprint.after_request(etag.apply_etag)

from app.api import catalogue, changes, customers, openapi, segments  # noqa: E402, F401 - they register their routes on `blueprint`
