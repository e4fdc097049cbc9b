"""The colour theme: the system's or the one that an operator chose, kept in a cookie for the first paint."""

from flask import Blueprint, redirect, request
from flask_babel import lazy_gettext
from werkzeug.wrappers import Response

from app.pages.auth import PUBLIC, require_role, safe_next

THEMES = {"system": lazy_gettext("System"), "light": lazy_gettext("Light"), "dark": lazy_gettext("Dark")}
YEAR = 365 * 24 * 3600


def register(blueprint: Blueprint) -> None:
    blueprint.app_context_processor(lambda: {"theme": _chosen(), "themes": THEMES})
    blueprint.add_url_rule("/theme", view_func=choose_theme, methods=["POST"])


def _chosen() -> str:
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else "system"


@require_role(PUBLIC)
def choose_theme() -> Response:
    response = redirect(safe_next(request.form.get("next")))
    theme = request.form.get("theme", "")
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=YEAR, samesite="Lax", secure=request.is_secure)
    return response
