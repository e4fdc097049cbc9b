"""The HTML pages for operators. A view parses the request, calls the core and renders a template."""

from flask import Blueprint
from werkzeug.utils import find_modules, import_string

from app.pages import (
    actor_texts,
    audit_texts,
    auth,
    blanks,
    charts,
    domain_texts,
    locale,
    reasons,
    shortcut,
    template_filters,
    theme,
)

blueprint = Blueprint("pages", __name__)
blueprint.add_app_template_global(auth.can)
actor_texts.register(blueprint)
audit_texts.register(blueprint)
blanks.register(blueprint)
charts.register(blueprint)
template_filters.register(blueprint)
theme.register(blueprint)
shortcut.register(blueprint)
locale.register(blueprint)
domain_texts.register(blueprint)
reasons.register(blueprint)

for module in find_modules(__name__):  # they register their routes on `blueprint`
    import_string(module)

from app.pages import kept_forms, sign_in  # noqa: E402 - they use `blueprint`

blueprint.before_request(auth.load_session)
blueprint.before_request(sign_in.keep_form)
blueprint.before_request(auth.authenticate)
blueprint.before_request(kept_forms.restore_form)
