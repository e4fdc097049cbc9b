"""Edit the profile of a customer, and create a customer."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import open_change_set
from app.core.changes.profiles import upsert_customers
from app.core.database import run_in_transaction
from app.core.errors import InvalidDocumentId
from app.core.models.customer_changes import Profile
from app.core.models.customers import PROFILE_FIELDS, customer_exists, get_customer, is_storable
from app.pages import blueprint
from app.pages.auth import current_actor, require_role
from app.pages.customer import redirect_to_saved
from app.pages.kept_forms import RESTORE
from app.pages.reasons import parse_reason
from app.pages.template_filters import number

URL = "/customer-profile/<document_id:document_id>"

Errors = dict[str, str]


@blueprint.get(URL)
@require_role("editor")
def customer_profile(document_id: str) -> Any:
    found = get_customer(document_id)
    return _page({field.name: getattr(found, field.name) for field in PROFILE_FIELDS}, {}, document_id)


def _page(profile: Profile, errors: Errors, document_id: str | None, new_id: str = "") -> Any:
    return render_template(
        "customer_profile.html",
        fields=PROFILE_FIELDS,
        profile=profile,
        errors=errors,
        document_id=document_id,
        new_id=new_id,
    ), 422 if errors else 200


@blueprint.post(URL)
@require_role("editor", keeps_edits=True)
def customer_profile_save(document_id: str) -> Any:
    get_customer(document_id)
    profile, errors = _parse_profile()
    if errors or _is_restored():
        return _page(profile, errors, document_id)
    return redirect_to_saved(document_id, _save(document_id, profile))


@blueprint.route("/customer-new", methods=["GET", "POST"])
@require_role("editor", keeps_edits=True)
def customer_new() -> Any:
    """Show the form of a new customer, or create the customer."""
    if request.method == "GET":
        return _page({}, {}, None)
    document_id = request.form.get("document_id", "").strip()
    profile, errors = _parse_profile()
    if is_storable(document_id) and customer_exists(document_id):
        errors["document_id"] = _("A customer with this ID already exists.")
    if errors or _is_restored():
        return _page(profile, errors, None, document_id)
    try:
        _save(document_id, profile)
    except InvalidDocumentId:
        return _page(profile, {"document_id": _("Enter an ID of 1 to 512 characters.")}, None, document_id)
    flash(_("Customer created."))
    return redirect(url_for("pages.customer", document_id=document_id))


def _is_restored() -> bool:
    """Return whether the form is shown again after a sign-in, instead of being saved."""
    return request.form.get("action") == RESTORE


def _parse_profile() -> tuple[Profile, Errors]:
    """Return the submitted profile, and the error message of each invalid field. An empty field is None."""
    profile: Profile = {}
    errors: Errors = {}
    for field in PROFILE_FIELDS:
        value = request.form.get(field.name, "").strip()
        profile[field.name] = value or None
        if len(value) > field.max_length:
            errors[field.name] = _("At most %(count)s characters.", count=number(field.max_length))
        elif not is_storable(value):
            errors[field.name] = _("Contains an invalid character.")
    return profile, errors


def _save(document_id: str, profile: Profile) -> int | None:
    """Create or update the customer; return the id of the change set, or None if nothing changed."""

    def work(session: Session) -> int | None:
        with open_change_set(session, current_actor(), note=parse_reason()) as change_set:
            upsert_customers(session, [{"document_id": document_id, **profile}], change_set)
        return change_set.id if change_set.has_changes else None

    return run_in_transaction(work)
