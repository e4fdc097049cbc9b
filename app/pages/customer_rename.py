"""Give a customer another document_id."""

from typing import Any

from flask import render_template, request

from app.core.changes.document_ids import RENAME_NOTE, rename_customer
from app.core.errors import CustomerExists, InvalidDocumentId
from app.core.models.customers import Customer, get_customer
from app.pages import blueprint
from app.pages.auth import current_actor, require_role
from app.pages.customer import redirect_to_saved
from app.pages.domain_texts import translate_domain_text
from app.pages.reasons import parse_reason

URL = "/customer-rename/<document_id:document_id>"


@blueprint.get(URL)
@require_role("editor")
def customer_rename(document_id: str) -> Any:
    return _page(get_customer(document_id))


def _page(found: Customer, error: str | None = None) -> Any:
    return render_template(
        "customer_rename.html", customer=found, document_id=request.form.get("document_id", ""), error=error
    ), 422 if error else 200


@blueprint.post(URL)
@require_role("editor")
def customer_rename_apply(document_id: str) -> Any:
    found, new = get_customer(document_id), request.form.get("document_id", "").strip()
    try:
        change_set_id = rename_customer(document_id, new, current_actor(), note=parse_reason() or RENAME_NOTE)
    except (CustomerExists, InvalidDocumentId) as error:
        return _page(found, translate_domain_text(str(error)))
    return redirect_to_saved(new, change_set_id)
