"""The segments of customers, replaced and patched for many at a time."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import orjson
from flask import Response
from flask.json import dumps
from marshmallow import fields
from sqlalchemy.orm import Session

from app.access.idempotency import IdempotencyMismatch, StoredResponse
from app.access.token_request_log import CustomerCounts
from app.api import blueprint, token_requests
from app.api.api_blueprint import Body, Success
from app.api.auth import current_client
from app.api.errors import BODY_ERRORS
from app.api.examples import CHANGE_SET_LINKS, GOLD
from app.api.feed_cursors import AsOfField
from app.api.guarded_writes import HELD, effective_guard, note_warning, received_at, run_guarded
from app.api.parameters import DryRunQuery, Flag, LenientQuerySchema, SegmentTypes
from app.api.request_body import customers_body
from app.api.schemas import Report, ResponseSchema, strings
from app.api.segment_limit import check_sent_segments, positions_of
from app.api.segment_types import check_token_types, replaced_types
from app.api.strict_tokens import added_single_types, check_rules, check_single_values
from app.api.write_headers import GuardedHeaders
from app.core.changes.guard import ChangeTooLarge
from app.core.changes.replace_segments import ReplaceResult, replace_segments
from app.core.changes.replace_types import replace_types
from app.core.changes.segment_updates import PreparedUpdate
from app.core.models.segment_limit import refuse_over_limit
from app.jobs.api_job import ApiJob
from app.jobs.held_requests import hold_segments
from app.serialization.change_set_json import serialize_id
from app.serialization.request_schemas import (
    PatchSegmentsSchema,
    ReplaceSegmentsSchema,
    parse_patches,
    parse_replacements,
)


class PatchQuery(DryRunQuery):
    report = Flag("Adds the report: which customers were changed, unchanged, not found, repeated or stale.")
    as_of = AsOfField("Leaves customers alone who changed after this moment, or after this cursor of the change feed.")


class ReplaceQuery(PatchQuery, LenientQuerySchema):
    """Unlike other operations, the documented one ignores unknown parameters that resemble none of these."""

    types = SegmentTypes(
        "Replaces only segments of these types, separated by commas; others keep their places. By default, the types "
        "that the token is limited to, if it is."
    )

    class Meta(LenientQuerySchema.Meta):
        pass


class UpdatedCustomers(ResponseSchema):
    updatedCustomers = strings("Customers who were found and have the new segments; each once, in the order sent.")  # noqa: N815
    report = fields.Nested(Report, metadata={"description": "With `report` or `dry_run`."})


UPDATED = {"updatedCustomers": ["1232-2323"]}
WRITTEN_HEADERS = ("Change-Set", "Guard-Warning")
CHANGE_ERRORS = (*BODY_ERRORS, ChangeTooLarge, IdempotencyMismatch)


@blueprint.operation(
    "POST",
    "/v3/customers/segments",
    name="replaceSegments",
    tag="Segments",
    scope="segments:write",
    query=ReplaceQuery,
    headers=GuardedHeaders,
    body=Body(
        ReplaceSegmentsSchema,
        {"customers": [{"document_id": "1232-2323", "segments": [GOLD]}, {"document_id": "222-133", "segments": None}]},
    ),
    responses=(
        Success(
            UpdatedCustomers,
            "The customers who were found and have the new segments, in the order sent.",
            UPDATED,
            headers=WRITTEN_HEADERS,
            links=CHANGE_SET_LINKS,
        ),
        HELD,
    ),
    errors=CHANGE_ERRORS,
)
def replace(query: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Replace the segments of existing customers

    All segments of each customer are replaced by those sent, kept exactly as sent; `null` and `[]` clear. Customers who
    do not exist are left out of the answer. The first entry of a repeated document_id wins. One request is one
    transaction. A token that is limited to segment types replaces only these, and 403 names other types by their path.
    Where the service has a limit of segments per customer, a request that exceeds it is refused: 400 names the paths.
    """
    return _update_segments(_read_replacements(query["types"]), query, headers)


@blueprint.operation(
    "PATCH",
    "/v3/customers/segments",
    name="mergeSegments",
    tag="Segments",
    scope="segments:write",
    query=PatchQuery,
    headers=GuardedHeaders,
    body=Body(PatchSegmentsSchema, {"customers": [{"document_id": "1232-2323", "add": [GOLD], "remove": []}]}),
    responses=(
        Success(UpdatedCustomers, "As for replacing.", UPDATED, headers=WRITTEN_HEADERS, links=CHANGE_SET_LINKS),
        HELD,
    ),
    errors=CHANGE_ERRORS,
)
def merge(query: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Add and remove segments of existing customers

    Segments to remove are removed first; those to add come last, unless the customer has them already. Concurrent
    requests all take effect. 403 if the token is limited to other segment types. 400 if a customer would have more
    segments than the service allows.
    """
    return _update_segments(_read_patches(), query, headers)


class Update(NamedTuple):
    """What a body requests. The body itself is as large as everything else that a request needs, and is not kept."""

    change: Callable[..., ReplaceResult]
    """The function of the core that changes the segments."""
    document_ids: list[str]
    duplicates: list[str]
    content: Callable[[], Mapping[str, Any]]
    """Returns what a job does with each customer, if the change is held; `action` and `types` are those of the job."""
    action: Literal["replace", "patch"]
    types: Collection[str] = ()
    added_types: frozenset[str] = frozenset()
    """Of which a customer may have a value already."""
    positions: Mapping[str, int] = {}
    """Where each customer is in the body, if there is a limit of segments."""

    def check_limit(self, result: ReplaceResult) -> None:
        """Raise InvalidInput if customers were left alone because they would have too many segments."""
        member = "segments" if self.action == "replace" else "add"
        refuse_over_limit(f"customers[{self.positions[id_]}].{member}" for id_ in result.too_many)


def _read_replacements(types: frozenset[str] | None) -> Update:
    """Read new segments: all of each customer, or only those of some types."""
    body = customers_body()
    new_segments, duplicates = parse_replacements(body)
    replaced = replaced_types(body, types)
    check_rules(body, "segments")
    check_sent_segments(body)
    if replaced is None:
        return _prepare(PreparedUpdate.of(new_segments), duplicates, "replace")
    change = partial(replace_types, new_segments, replaced)
    update = Update(change, list(new_segments), duplicates, lambda: new_segments, "replace", replaced)
    return update._replace(positions=positions_of(body))


def _prepare(
    prepared: PreparedUpdate, duplicates: list[str], action: Literal["replace", "patch"], types: Collection[str] = ()
) -> Update:
    change, ids = partial(replace_segments, prepared), prepared.document_ids
    return Update(change, ids, duplicates, lambda: orjson.loads(prepared.parameters["payload"].content), action, types)


def _read_patches() -> Update:
    body = customers_body()
    patches, duplicates = parse_patches(body)
    check_token_types(body, "add", "remove")
    check_rules(body, "add")
    prepared, types = PreparedUpdate.of(patches), added_single_types(patches.values())
    return _prepare(prepared, duplicates, "patch", current_client().types)._replace(
        added_types=types, positions=positions_of(body)
    )


def _update_segments(update: Update, query: dict[str, Any], headers: dict[str, Any]) -> Response:
    change, document_ids, duplicates = update.change, update.document_ids, update.duplicates
    guard, dry_run = effective_guard(headers), query["dry_run"]

    def work(session: Session) -> StoredResponse:
        result = change(
            current_client().actor(), as_of=query["as_of"], guard=guard, note=headers["change_reason"], session=session
        )
        update.check_limit(result)
        check_single_values(session, update.added_types, document_ids)
        if dry_run:
            result = dataclasses.replace(result, change_set_id=None)
        token_requests.note_counts(
            CustomerCounts(len(document_ids), result.changed, result.unchanged, len(result.not_found)),
            dry_run=dry_run,
        )
        warning = note_warning(guard, result.emptied, len(document_ids), dry_run=dry_run)
        not_updated = {*result.not_found, *result.stale}
        body: dict[str, Any] = {"updatedCustomers": [id_ for id_ in document_ids if id_ not in not_updated]}
        if query["report"] or dry_run:
            body["report"] = {**_report(result, duplicates), **warning}
        return StoredResponse(dumps(body), result.change_set_id)

    def hold(session: Session) -> int:
        options = {"types": update.types, "as_of": query["as_of"], "guard": guard, "reason": headers["change_reason"]}
        job = ApiJob.of(update.action, **options, strict=current_client().strict).received(received_at())
        return hold_segments(session, current_client().actor(), job, update.content(), duplicates)

    return run_guarded(work, headers, dry_run=dry_run, report=partial(_report, duplicates=duplicates), hold=hold)


def _report(result: ReplaceResult, duplicates: list[str]) -> dict[str, Any]:
    return {
        "changed": result.changed,
        "unchanged": result.unchanged,
        "notFound": result.not_found,
        "duplicates": duplicates,
        "stale": result.stale,
        "changeSet": serialize_id(result.change_set_id),
    }
