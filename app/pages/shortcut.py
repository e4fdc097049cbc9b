"""A single key as a shortcut is in the way of whoever speaks to the computer (WCAG 2.1.4): it can be turned off."""

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.pages.auth import require_role
from app.pages.theme import YEAR


def register(blueprint: Blueprint) -> None:
    blueprint.app_context_processor(lambda: {"slash": request.cookies.get("slash") != "off"})
    blueprint.add_url_rule("/shortcut", view_func=choose_shortcut, methods=["POST"])


@require_role("viewer")
def choose_shortcut() -> Response:
    wish = "off" if request.form.get("slash") == "off" else "on"
    flash("/ shortcut disabled." if wish == "off" else "/ shortcut enabled.")
    response = redirect(url_for("pages.account"))
    response.set_cookie("slash", wish, max_age=YEAR, samesite="Lax", secure=request.is_secure)
    return response
