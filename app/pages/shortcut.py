"""The shortcuts `/`, `?` and `a` can be turned off: single keys get in the way of speech input (WCAG 2.1.4)."""

from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.pages.auth import require_role
from app.pages.theme import YEAR


def register(blueprint: Blueprint) -> None:
    blueprint.app_context_processor(lambda: {"slash": request.cookies.get("slash") != "off"})
    blueprint.add_url_rule("/shortcut", view_func=choose_shortcut, methods=["POST"])


@require_role("viewer")
def choose_shortcut() -> Response:
    enabled = request.form.get("slash") != "off"
    flash(_("Single-key shortcuts enabled.") if enabled else _("Single-key shortcuts disabled."))
    response = redirect(url_for("pages.account"))
    response.set_cookie("slash", "on" if enabled else "off", max_age=YEAR, samesite="Lax", secure=request.is_secure)
    return response
