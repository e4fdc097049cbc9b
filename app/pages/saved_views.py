"""Saved views: lists of customers under a name, which editors save, rename and delete for the whole team."""

from typing import Any

from flask import flash, redirect, request
from flask_babel import gettext as _

from app.access.saved_views import TooManyViews, create_view, delete_view, rename_view
from app.core.errors import DuplicateName
from app.core.limits import MAX_VIEW_NAME_LENGTH
from app.core.models.customers import is_storable
from app.pages import blueprint
from app.pages.auth import require_role
from app.pages.customers import customer_list
from app.pages.domain_texts import translate_domain_text
from app.pages.list_query import CustomerListQuery, ListUrl, parse_customer_list
from app.pages.template_filters import number

ACTIONS = ("rename", "delete")


@blueprint.post("/customer-views")
@require_role("editor")
def saved_view_create() -> Any:
    """Save the list in the URL under a name."""
    query, name = parse_customer_list(), _name()
    error = _error(name)
    try:
        if not error:
            create_view(name, query.query_string)
    except (DuplicateName, TooManyViews) as refusal:
        error = translate_domain_text(str(refusal))
    return _answer(query, name, error, _("View “%(name)s” saved.", name=name))


@blueprint.post(f"/customer-views/<number:view_id>/<any{ACTIONS}:action>")
@require_role("editor")
def saved_view_change(view_id: int, action: str) -> Any:
    """Rename or delete a view. The list in the URL is displayed again."""
    query, name = parse_customer_list(), _name()
    if action == "delete":
        return _answer(query, "", None, _("View “%(name)s” deleted.", name=delete_view(view_id)))
    error = _error(name)
    try:
        if not error:
            rename_view(view_id, name)
    except DuplicateName as refusal:
        error = translate_domain_text(str(refusal))
    return _answer(query, name, error, _("View “%(name)s” saved.", name=name))


def _name() -> str:
    return " ".join(request.form.get("view_name", "").split())


def _error(name: str) -> str | None:
    if not name:
        return str(_("Enter a name."))
    if len(name) > MAX_VIEW_NAME_LENGTH:
        return str(_("At most %(count)s characters.", count=number(MAX_VIEW_NAME_LENGTH)))
    return None if is_storable(name) else str(_("Contains an invalid character."))


def _answer(query: CustomerListQuery, name: str, error: str | None, message: str) -> Any:
    """Return the list again with the error at the field, or redirect to it with the message."""
    if error:
        return customer_list(query, {"view_name": error}, view_name=name)
    flash(message)
    return redirect(ListUrl(query.parameters, "pages.customers").changed())
