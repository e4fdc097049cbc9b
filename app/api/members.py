"""The members of a segment: listed, also as of a moment, and set as a whole (contract §8)."""

from typing import Any, cast

from flask import Response, jsonify
from flask.json import dumps
from marshmallow import fields
from sqlalchemy.orm import Session

from app.access.idempotency import IdempotencyMismatch, StoredResponse
from app.access.token_request_log import CustomerCounts
from app.api import blueprint, token_requests
from app.api.api_blueprint import Body, Success
from app.api.auth import current_client
from app.api.errors import BODY_ERRORS
from app.api.examples import CHANGE_SET_LINKS, SEGMENT_PATH
from app.api.guarded_writes import HELD, effective_guard, note_warning, received_at, run_guarded
from app.api.job_responses import JOB_LINKS, STARTED, JobResponse, accepted, started_json
from app.api.parameters import Cursor, DryRunQuery, PageQuery, Timestamp
from app.api.request_body import JSON_LINES_TYPES, is_json_lines, json_body, json_lines_body
from app.api.schemas import ResponseSchema, change_set_id, count, guard_warning, next_cursor, strings
from app.api.segment_types import changed_segment
from app.api.strict_tokens import check_added_value, check_pair
from app.api.write_headers import GuardedHeaders
from app.core.changes.guard import ChangeTooLarge
from app.core.changes.members import LOST, MembersDiff, diff_members
from app.core.changes.replace_segments import replace_segments
from app.core.errors import InvalidInput, NoLongerRetained
from app.core.history.members import list_members
from app.core.limits import BATCH_SIZE
from app.core.models.customers import is_storable, select_segments
from app.core.models.segment_limit import is_over_limit, refuse_over_limit, segment_limit
from app.core.models.segments import SegmentPair
from app.jobs.held_requests import hold_members
from app.jobs.members import start_members_job
from app.jobs.states import JobState
from app.serialization.change_set_json import serialize_id
from app.serialization.request_schemas import RequestSchema, Text, validate_body
from app.web.cursors import encode_cursor
from app.web.replica_reads import from_replica

MEMBERS_URL = "/v3/segments/<segment_part:type>/<segment_part:value>/members"
NOT_AN_ID = "Must be an id, or an object with document_id."


class MembersSchema(RequestSchema):
    """All members of the segment; in JSON Lines, each line is an id or `{"document_id": …}`."""

    document_ids = fields.List(Text(), required=True)


class MembersResponse(ResponseSchema):
    added = count("Customers who gain the segment.")
    removed = count("Customers who lose the segment.")
    unchanged = count("Customers who were members already.")
    notFound = strings("Ids that no customer has.")  # noqa: N815
    changeSet = change_set_id()  # noqa: N815
    warning = guard_warning()


class MembersQuery(PageQuery):
    at = Timestamp("As of this moment; by default, now.")
    cursor = Cursor(str)


class MemberPage(ResponseSchema):
    document_ids = strings("Ordered by document_id.")
    next = next_cursor()


@blueprint.operation(
    "GET",
    MEMBERS_URL,
    name="listMembers",
    tag="Segments",
    scope="segments:read",
    query=MembersQuery,
    path_parameters=SEGMENT_PATH,
    responses=(
        Success(
            MemberPage,
            "A page of members; `next` is the cursor of the next page, or null.",
            {"document_ids": ["1232-2323"], "next": None},
        ),
    ),
    errors=(NoLongerRetained,),
)
@from_replica
def members(query: dict[str, Any], type: str, value: str) -> Response:
    """The members of a segment

    The customers who have the segment; with `at`, those of today's customers who had it at that moment, by the ids that
    they have now. A segment that no customer has is an empty list.
    """
    if not is_storable(type + value):
        return jsonify(document_ids=[], next=None)
    limit, cursor = query["limit"], query["cursor"]
    found = list_members(SegmentPair(type, value), query["at"], after=cursor and cursor[0], limit=limit + 1)
    following = encode_cursor(found[limit - 1]) if len(found) > limit else None
    return jsonify(document_ids=found[:limit], next=following)


@blueprint.operation(
    "PUT",
    MEMBERS_URL,
    name="putMembers",
    tag="Segments",
    scope="segments:write",
    query=DryRunQuery,
    headers=GuardedHeaders,
    path_parameters=SEGMENT_PATH,
    body=Body(MembersSchema, {"document_ids": ["1232-2323", "222-133"]}, JSON_LINES_TYPES),
    responses=(
        Success(
            MembersResponse,
            "How many customers gained and lost the segment.",
            {"added": 1, "removed": 0, "unchanged": 0, "notFound": ["222-133"], "changeSet": "43"},
            headers=("Change-Set", "Guard-Warning"),
            links=CHANGE_SET_LINKS,
        ),
        HELD,
        Success(
            JobResponse,
            "More than 5,000 customers change: the job that does it, with `added` and `removed` in its report.",
            {**STARTED, "state": JobState.APPLYING, "total": 12431},
            status=202,
            headers=("Location",),
            links=JOB_LINKS,
        ),
    ),
    errors=(*BODY_ERRORS, ChangeTooLarge, IdempotencyMismatch),
)
def put_members(query: dict[str, Any], headers: dict[str, Any], type: str, value: str) -> Response:
    """Set the members of a segment

    Exactly the customers listed have the segment afterwards, as of one snapshot: those missing gain it, all others lose
    it. Other segments stay. Ids that no customer has are `notFound`. The guard of the token counts those who lose the
    segment, in percent of the members before. In JSON Lines, each line is an id or an object with `document_id`. 403 if
    the token is limited to other segment types. If more than 5,000 customers change, a job does it; who changes is
    fixed by the request.
    """
    segment = changed_segment(type, value)
    check_pair(segment)
    document_ids = _parse_members()
    guard, dry_run = effective_guard(headers), query["dry_run"]

    def work(session: Session) -> StoredResponse:
        diff = diff_members(session, segment, document_ids)
        counts = CustomerCounts(len(document_ids), len(diff), diff.unchanged, len(diff.not_found))
        token_requests.note_counts(counts, dry_run=dry_run)
        diff.check(guard)
        check_added_value(session, segment, diff.added)
        _check_limit(session, diff, document_ids)
        warning = note_warning(guard, len(diff.removed), diff.members_before, LOST, dry_run=dry_run)
        if dry_run or not len(diff):
            return StoredResponse(dumps({**_report(diff), **warning}), None)
        return _apply(session, diff, headers["change_reason"], warning)

    def hold(session: Session) -> int:
        at, diff = received_at(), diff_members(session, segment, document_ids)
        return hold_members(
            session, current_client().actor(), diff, headers["change_reason"], received_at=at, guard=guard
        )

    response = run_guarded(work, headers, dry_run=dry_run, report=_report, hold=hold)
    return accepted(response) if "id" in response.get_json() else response


def _apply(session: Session, diff: MembersDiff, reason: str | None, warning: dict[str, str]) -> StoredResponse:
    """Apply the changes in this transaction if they are one batch; else start a job."""
    actor = current_client().actor()
    if len(diff) > BATCH_SIZE:
        job_id = start_members_job(session, actor, diff, reason)
        return StoredResponse(dumps(started_json(job_id, state=JobState.APPLYING, total=len(diff))), None)
    change_set_id = replace_segments(diff.patches(), actor, note=reason, session=session).change_set_id
    return StoredResponse(dumps({**_report(diff, change_set_id), **warning}), change_set_id)


def _check_limit(session: Session, diff: MembersDiff, document_ids: list[str]) -> None:
    """Raise InvalidInput if customers who gain the segment would have too many."""
    if segment_limit() is None or not diff.added:
        return
    pair = [diff.segment.to_dict()]
    rows = session.execute(select_segments(diff.added))
    full = {id_ for id_, segments in rows if is_over_limit(segments, segments + pair)}
    refuse_over_limit(f"document_ids[{index}]" for index, id_ in enumerate(document_ids) if id_ in full)


def _parse_members() -> list[str]:
    """Return the ids of the body, each once. Raises InvalidInput, and what `json_body` raises."""
    ids = _ids_of_lines() if is_json_lines() else _ids_of_object()
    return list(dict.fromkeys(ids))


def _ids_of_object() -> list[str]:
    body = json_body()
    ids = body.get("document_ids") if isinstance(body, dict) else None
    if not (isinstance(ids, list) and _are_ids(ids)):
        validate_body(body, MembersSchema())
    return cast(list[str], body["document_ids"])


def _ids_of_lines() -> list[str]:
    lines = json_lines_body()
    ids = [line.get("document_id") if isinstance(line, dict) else line for line in lines.values()]
    if not _are_ids(ids):
        pairs = zip(lines, ids, strict=True)
        raise InvalidInput((f"line {number}", NOT_AN_ID) for number, id_ in pairs if not _are_ids([id_]))
    return cast(list[str], ids)


def _are_ids(values: list[Any]) -> bool:
    """Return whether all are texts that the database can store. Fast, because a list may have millions."""
    return set(map(type, values)) <= {str} and is_storable("".join(values))


def _report(diff: MembersDiff, change_set_id: int | None = None) -> dict[str, Any]:
    return {
        "added": len(diff.added),
        "removed": len(diff.removed),
        "unchanged": diff.unchanged,
        "notFound": diff.not_found,
        "changeSet": serialize_id(change_set_id),
    }
