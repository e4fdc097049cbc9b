"""The HTML pages for operators. A view parses the request, calls the core and renders a template."""

from flask import Blueprint

from app.pages import audit_texts, auth, charts, domain_texts, locale, shortcut, template_filters, theme

blueprint = Blueprint("pages", __name__)
blueprint.before_request(auth.authenticate)
blueprint.add_app_template_global(auth.can)
audit_texts.register(blueprint)
charts.register(blueprint)
template_filters.register(blueprint)
theme.register(blueprint)
shortcut.register(blueprint)
locale.register(blueprint)
domain_texts.register(blueprint)

from app.pages import (  # noqa: E402, F401 - they register their routes on `blueprint`
    account,
    audit_log,
    bulk_edits,
    change_set_undo,
    changes,
    customer,
    customer_erase,
    customer_profile,
    customer_rename,
    customer_undo,
    customers,
    imports,
    operators,
    overview,
    point_in_time,
    second_factor,
    segment_rename,
    segments,
    sign_in,
    single_sign_on,
    site_search,
    suggestions,
    tokens,
    webhooks,
)
