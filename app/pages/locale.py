"""The language and time zone of an operator: chosen on /account and kept in cookies, else the browser's."""

from zoneinfo import available_timezones

from flask import Blueprint, current_app, has_request_context, redirect, request, url_for
from werkzeug.wrappers import Response

from app.pages.auth import PUBLIC, require_role, safe_next
from app.pages.theme import YEAR
from app.web.localization import LANGUAGES

TIME_ZONES = frozenset(available_timezones())


def register(blueprint: Blueprint) -> None:
    blueprint.app_context_processor(lambda: {"languages": LANGUAGES, "html_lang": current_locale().replace("_", "-")})
    blueprint.add_url_rule("/locale", view_func=choose_locale, methods=["POST"])


def select_locale() -> str | None:
    """Return the locale chosen by cookie or by the browser; None for the default."""
    if not has_request_context():
        return None
    chosen = request.cookies.get("locale", "")
    if chosen in LANGUAGES:
        return chosen
    tags = {name.replace("_", "-"): name for name in LANGUAGES} | {"pt": "pt_BR"}
    best = request.accept_languages.best_match(tags)
    return tags[best] if best else None


def current_locale() -> str:
    return select_locale() or str(current_app.config["DEFAULT_LOCALE"])


def select_time_zone() -> str | None:
    """Return the time zone in the cookie that the browser or the operator set; None for the default."""
    zone = request.cookies.get("time_zone", "") if has_request_context() else ""
    return zone if zone in TIME_ZONES else None


@require_role(PUBLIC)
def choose_locale() -> Response:
    """Remember the language, and the time zone, if the form has them."""
    response = redirect(safe_next(request.form.get("next")) if "next" in request.form else url_for("pages.account"))
    choices = {"locale": LANGUAGES, "time_zone": TIME_ZONES}
    for name, allowed in choices.items():
        value = request.form.get(name, "")
        if value in allowed:
            response.set_cookie(name, value, max_age=YEAR, samesite="Lax", secure=request.is_secure)
    return response
