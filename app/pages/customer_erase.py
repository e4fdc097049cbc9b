"""Erase a customer: for admins, and not to be undone."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from app.access.audit_log import record_event_now
from app.core.changes.erasure import erase_customers
from app.core.errors import CustomerNotFound
from app.core.models.customers import Customer, get_customer
from app.pages import blueprint
from app.pages.auth import current_actor, require_role

URL = "/customer-erase/<document_id:document_id>"


@blueprint.get(URL)
@require_role("admin")
def customer_erase(document_id: str) -> Any:
    return _page(get_customer(document_id))


def _page(found: Customer, error: str | None = None) -> Any:
    return render_template("customer_erase.html", customer=found, error=error), 422 if error else 200


@blueprint.post(URL)
@require_role("admin")
def customer_erase_apply(document_id: str) -> Any:
    """Erase the customer, whose ID must be entered as confirmation."""
    found = get_customer(document_id)
    if request.form.get("document_id", "").strip() != document_id.strip():
        return _page(found, _("Enter the ID of this customer."))
    result = erase_customers([document_id], current_actor())
    if not result.erased:
        raise CustomerNotFound("No customer has this document_id.")
    record_event_now("customer_erased", after={"customers": 1})  # never the id
    flash(_("Customer erased."))
    return redirect(url_for("pages.customers"))
