"""The language and time zone of a page.

The language is the operator's, who chooses it on /account or at the foot of a page; else that chosen in this browser
before a sign-in; else the browser's; else DEFAULT_LOCALE. The time zone is the browser's, which a script tells in a
cookie; else TIME_ZONE.
"""

from zoneinfo import available_timezones

from flask import Blueprint, current_app, g, has_request_context, redirect, request, url_for
from werkzeug.wrappers import Response

from app.access.operators import set_locale
from app.pages.auth import PUBLIC, current_operator, require_role, safe_next
from app.pages.theme import YEAR
from app.settings import LANGUAGES

TIME_ZONES = frozenset(available_timezones())


def register(blueprint: Blueprint) -> None:
    blueprint.app_context_processor(lambda: {"languages": LANGUAGES, "html_lang": current_locale().replace("_", "-")})
    blueprint.add_url_rule("/locale", view_func=choose_locale, methods=["POST"])


def select_locale() -> str | None:
    """Return the locale that the operator or the browser prefers; None for the default."""
    if not has_request_context():
        return None
    for chosen in (_locale_of_operator(), request.cookies.get("locale")):
        if chosen in LANGUAGES:
            return chosen
    tags = {name.replace("_", "-"): name for name in LANGUAGES} | {"pt": "pt_BR"}
    best = request.accept_languages.best_match(tags)
    return tags[best] if best else None


def _locale_of_operator() -> str | None:
    return current_operator().locale if g.get("current_session") else None


def current_locale() -> str:
    return select_locale() or str(current_app.config["DEFAULT_LOCALE"])


def select_time_zone() -> str | None:
    """Return the time zone of the browser; None for the default."""
    zone = request.cookies.get("time_zone", "") if has_request_context() else ""
    return zone if zone in TIME_ZONES else None


@require_role(PUBLIC)
def choose_locale() -> Response:
    """Remember the language for the operator, and in this browser for its sign-in page; none if it is empty."""
    response = redirect(safe_next(request.form.get("next")) if "next" in request.form else url_for("pages.account"))
    locale = request.form.get("locale", "")
    if locale and locale not in LANGUAGES:
        return response
    if g.current_session:
        set_locale(current_operator().id, locale or None)
    if locale:
        response.set_cookie("locale", locale, max_age=YEAR, samesite="Lax", secure=request.is_secure)
    else:
        response.delete_cookie("locale")
    return response
