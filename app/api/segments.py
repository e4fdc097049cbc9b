"""The segments of customers: replaced by many, read one at a time."""

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request
from flask.json import dumps
from sqlalchemy.orm import Session

from app.access.idempotency import Answer, once
from app.access.token_request_log import Counts
from app.api import blueprint, token_requests
from app.api.auth import needs, the_caller
from app.api.errors import too_large_a_change
from app.api.headers import with_change_set
from app.api.idempotency import repeatable
from app.api.parameters import flag, moment
from app.api.request_body import customers_body
from app.core.changes.replace_segments import ChangeTooLarge, Outcome, replace_segments
from app.core.changes.segment_updates import Asked
from app.core.models.customers import Segments, segments_of, segments_of_email
from app.serialization.change_set_json import id_text
from app.serialization.request_schemas import Invalid, read_merges, read_replacements


@blueprint.post("/v3/customers/segments")
@needs("segments:write")
def replace() -> Response:
    """Replace all segments of the customers sent: contract §1, and its extras, §2."""
    return _changed(read_replacements)


@blueprint.patch("/v3/customers/segments")
@needs("segments:write")
def merge() -> Response:
    """Add segments to the customers sent, and remove some, leaving their others: contract §3."""
    return _changed(read_merges)


def _changed(read: Callable[[Any], tuple[dict[str, Any], list[str]]]) -> Response:
    dry_run, report, as_of = flag("dry_run"), flag("report"), moment("as_of")
    wanted, duplicates = read(customers_body())
    asked = Asked.of(wanted)
    del wanted  # as large as all the rest that a request takes
    guard = None if request.headers.get("Guard") == "override" else the_caller().guard

    def work(session: Session | None = None) -> Answer:
        outcome = replace_segments(
            asked, the_caller().actor(), as_of=as_of, guard=guard, dry_run=dry_run, session=session
        )
        token_requests.count(
            Counts(len(asked.document_ids), outcome.changed, outcome.unchanged, len(outcome.not_found)), dry_run=dry_run
        )
        left_out = {*outcome.not_found, *outcome.stale}
        answer: dict[str, Any] = {"updatedCustomers": [id_ for id_ in asked.document_ids if id_ not in left_out]}
        if report or dry_run:
            answer["report"] = _report(outcome, duplicates)
        return Answer(dumps(answer), outcome.change_set_id)

    key = repeatable()
    try:
        answer = once(key, work) if key and not dry_run else work()
    except ChangeTooLarge as refusal:
        return too_large_a_change(refusal, _report(refusal.outcome, duplicates))
    return with_change_set(Response(answer.text, mimetype="application/json"), answer.change_set_id)


def _report(outcome: Outcome, duplicates: list[str]) -> dict[str, Any]:
    return {
        "changed": outcome.changed,
        "unchanged": outcome.unchanged,
        "notFound": outcome.not_found,
        "duplicates": duplicates,
        "stale": outcome.stale,
        "changeSet": id_text(outcome.change_set_id),
    }


@blueprint.get("/customers/segments")
@needs("segments:read")
def gateway() -> Response:
    """The segments gateway that a platform calls at sign-up: by document_id or by e-mail."""
    document_id, email = request.args.get("document_id"), request.args.get("email")
    if document_id is not None and email is None:
        return _segments(segments_of(document_id))
    if email is not None and document_id is None:
        return _segments(segments_of_email(email))
    raise Invalid(iter([("document_id", "Send either document_id or email.")]), "the query")


@blueprint.get("/v3/customers/<document_id:document_id>/segments")
@needs("segments:read")
def read(document_id: str) -> Response:
    return _segments(segments_of(document_id))


def _segments(segments: Segments) -> Response:
    return jsonify(segments=segments)
