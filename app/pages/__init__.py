"""The HTML pages, for operators. They understand a request, call the core, and render."""

from flask import Blueprint

from app.pages import auth, charts, shortcut, template_filters, theme

blueprint = Blueprint("pages", __name__)
blueprint.before_request(auth.authenticate)
charts.register(blueprint)
template_filters.register(blueprint)
theme.register(blueprint)
shortcut.register(blueprint)

from app.pages import (  # noqa: E402, F401 - they register their routes on `blueprint`
    account,
    audit_log,
    bulk_edits,
    changes,
    customer,
    customers,
    imports,
    operators,
    overview,
    second_factor,
    segments,
    sign_in,
    single_sign_on,
    site_search,
    suggestions,
    tokens,
    webhooks,
)
