"""The JSON API: every URL under /api. A view reads the request, calls the core, and answers."""

from flask import Flask

from app.api import auth, etag, rate_limit, token_requests
from app.api.api_blueprint import ApiBlueprint

blueprint = ApiBlueprint("api", __name__, url_prefix="/api")
blueprint.before_request(auth.authenticate)
blueprint.after_request(rate_limit.add_headers)
blueprint.after_request(token_requests.log_request)
blueprint.after_request(etag.apply_etag)

from app.api import (  # noqa: E402, F401 - they register their routes
    catalogue,
    change_set_entries,
    changes,
    customer,
    customers,
    diff,
    jobs,
    members,
    openapi,
    revert,
    segment_rename,
    segments,
    webhooks,
    whole_customers,
)


def init_app(app: Flask) -> None:
    """Register the API and its description."""
    app.register_blueprint(blueprint)
    openapi.init_app(app)
