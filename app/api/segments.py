"""The segments of customers: replaced by many, read one at a time."""

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request
from flask.json import dumps
from sqlalchemy.orm import Session

from app.access.idempotency import StoredResponse, run_once
from app.access.token_request_log import CustomerCounts
from app.api import blueprint, token_requests
from app.api.auth import current_client, require_scope
from app.api.headers import add_change_set
from app.api.idempotency import idempotent_request
from app.api.parameters import boolean, timestamp
from app.api.request_body import customers_body
from app.core.changes.replace_segments import ChangeTooLarge, ReplaceResult, replace_segments
from app.core.changes.segment_updates import PreparedUpdate
from app.core.errors import InvalidInput
from app.core.models.customers import get_segments, get_segments_by_email
from app.core.models.segments import Segments
from app.serialization.change_set_json import serialize_id
from app.serialization.request_schemas import parse_patches, parse_replacements


@blueprint.post("/v3/customers/segments")
@require_scope("segments:write")
def replace() -> Response:
    """Replace all segments of the customers sent: contract §1, and its extras, §2."""
    return _update_segments(parse_replacements)


@blueprint.patch("/v3/customers/segments")
@require_scope("segments:write")
def merge() -> Response:
    """Add segments to the customers sent, and remove some, leaving their others: contract §3."""
    return _update_segments(parse_patches)


def _update_segments(read: Callable[[Any], tuple[dict[str, Any], list[str]]]) -> Response:
    dry_run, report, as_of = boolean("dry_run"), boolean("report"), timestamp("as_of")
    wanted, duplicates = read(customers_body())
    asked = PreparedUpdate.of(wanted)
    del wanted  # as large as all the rest that a request takes
    guard = None if request.headers.get("Guard") == "override" else current_client().guard

    def work(session: Session | None = None) -> StoredResponse:
        outcome = replace_segments(
            asked, current_client().actor(), as_of=as_of, guard=guard, dry_run=dry_run, session=session
        )
        token_requests.note_counts(
            CustomerCounts(len(asked.document_ids), outcome.changed, outcome.unchanged, len(outcome.not_found)),
            dry_run=dry_run,
        )
        left_out = {*outcome.not_found, *outcome.stale}
        answer: dict[str, Any] = {"updatedCustomers": [id_ for id_ in asked.document_ids if id_ not in left_out]}
        if report or dry_run:
            answer["report"] = _report(outcome, duplicates)
        return StoredResponse(dumps(answer), outcome.change_set_id)

    key = idempotent_request()
    try:
        answer = run_once(key, work) if key and not dry_run else work()
    except ChangeTooLarge as error:
        error.extra = {"report": _report(error.outcome, duplicates)}
        raise
    return add_change_set(Response(answer.text, mimetype="application/json"), answer.change_set_id)


def _report(outcome: ReplaceResult, duplicates: list[str]) -> dict[str, Any]:
    return {
        "changed": outcome.changed,
        "unchanged": outcome.unchanged,
        "notFound": outcome.not_found,
        "duplicates": duplicates,
        "stale": outcome.stale,
        "changeSet": serialize_id(outcome.change_set_id),
    }


@blueprint.get("/customers/segments")
@require_scope("segments:read")
def gateway() -> Response:
    """The segments gateway that a platform calls at sign-up: by document_id or by e-mail."""
    document_id, email = request.args.get("document_id"), request.args.get("email")
    if document_id is not None and email is None:
        return _segments(get_segments(document_id))
    if email is not None and document_id is None:
        return _segments(get_segments_by_email(email))
    raise InvalidInput(iter([("document_id", "Send either document_id or email.")]), "the query")


@blueprint.get("/v3/customers/<document_id:document_id>/segments")
@require_scope("segments:read")
def read(document_id: str) -> Response:
    return _segments(get_segments(document_id))


def _segments(segments: Segments) -> Response:
    return jsonify(segments=segments)
