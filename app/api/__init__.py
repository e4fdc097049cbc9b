"""The JSON API: every URL under /api. A view reads the request, calls the core, and answers."""

from flask import Flask
from werkzeug.utils import find_modules, import_string

from app.api import auth, etag, guarded_writes, rate_limit, token_requests
from app.api.api_blueprint import ApiBlueprint

blueprint = ApiBlueprint("api", __name__, url_prefix="/api")
blueprint.before_request(auth.authenticate)
blueprint.after_request(rate_limit.add_headers)
blueprint.after_request(guarded_writes.add_warning)
blueprint.after_request(token_requests.log_request)
blueprint.after_request(etag.apply_etag)

from app.api import openapi  # noqa: E402 - it needs the blueprint

for module in find_modules(__name__):  # they register their routes on `blueprint`
    import_string(module)


def init_app(app: Flask) -> None:
    """Register the API and its description."""
    app.register_blueprint(blueprint)
    openapi.init_app(app)
