"""The HTML pages, for operators. They understand a request, call the core, and render."""

from flask import Blueprint

from app.pages import charts, guard, shortcut, texts, theme

blueprint = Blueprint("pages", __name__)
blueprint.before_request(guard.admit)
charts.register(blueprint)
texts.register(blueprint)
theme.register(blueprint)
shortcut.register(blueprint)

from app.pages import (  # noqa: E402, F401 - they register their routes on `blueprint`
    account,
    changes,
    customer,
    customers,
    edits,
    imports,
    operators,
    overview,
    segments,
    sign_in,
    suggestions,
    tokens,
    webhooks,
)
