"""Customers: listed and searched; created and updated by document_id. Their segments have endpoints of their own."""

from typing import Any

from flask import Response, jsonify
from sqlalchemy.orm import Session

from app.access.token_request_log import CustomerCounts
from app.api import blueprint, cursors, token_requests
from app.api.auth import current_client, require_scope
from app.api.headers import add_change_set
from app.api.parameters import choice, limit, segments, text
from app.api.request_body import customers_body
from app.core.changes.change_set_builder import open_change_set
from app.core.changes.profiles import UpsertResult, upsert_customers
from app.core.database import run_in_transaction
from app.core.models.customers import PROFILE_FIELD_NAMES
from app.core.search.customers import CustomerRow, find_customers
from app.core.search.filters import Filter, Order
from app.serialization.change_set_json import format_rfc3339
from app.serialization.request_schemas import parse_customers
from app.web.cursors import encode_cursor


@blueprint.get("/v3/customers")
@require_scope("customers:read")
def customers() -> Response:
    """Those of whom all filters are true, by document_id: contract §3."""
    wanted = Filter(text("q") or "", segments("segment"), segments("without"), choice("has", "any", "none"))
    most, after = limit(), cursors.read("cursor", str)
    found = find_customers(wanted, Order(), after=tuple(after) if after else None, limit=most + 1)
    following = encode_cursor(found[most - 1].document_id) if len(found) > most else None
    return jsonify(customers=[_customer(one) for one in found[:most]], next=following)


def _customer(found: CustomerRow) -> dict[str, Any]:
    return {
        "document_id": found.document_id,
        **{name: getattr(found, name) for name in PROFILE_FIELD_NAMES},
        "segments": found.segments,
        "changedAt": format_rfc3339(found.changed_at) if found.changed_at else None,
    }


@blueprint.post("/v3/customers")
@require_scope("customers:write")
def save() -> Response:
    """Create or update: contract §3. Facts that are not sent stay as they are."""
    rows = parse_customers(customers_body())
    saved, change_set_id = run_in_transaction(lambda session: _save(session, rows))
    token_requests.note_counts(
        CustomerCounts(sent=len(rows), changed=saved.created + saved.updated, unchanged=saved.unchanged)
    )
    answer = jsonify(created=saved.created, updated=saved.updated, unchanged=saved.unchanged)
    return add_change_set(answer, change_set_id)


def _save(session: Session, rows: list[dict[str, Any]]) -> tuple[UpsertResult, int | None]:
    with open_change_set(session, current_client().actor()) as change_set:
        saved = upsert_customers(session, rows, change_set)
    return saved, change_set.id if change_set.has_changes else None
