"""One customer: read, created, replaced, changed and renamed (contract §8)."""

from hashlib import sha256
from typing import Any

from flask import Response, request
from flask.json import dumps
from marshmallow import fields
from sqlalchemy.orm import Session

from app.access.idempotency import IdempotencyMismatch, StoredResponse
from app.access.token_request_log import CustomerCounts
from app.api import blueprint, token_requests
from app.api.api_blueprint import Body, Success
from app.api.auth import current_client
from app.api.errors import BODY_ERRORS
from app.api.examples import ANA, CHANGE_SET_LINKS, CUSTOMER_ID, GOLD
from app.api.guarded_writes import effective_guard, note_warning
from app.api.parameters import DryRunQuery, QuerySchema
from app.api.request_body import json_body
from app.api.schemas import SEGMENTS, ResponseSchema, Segment, array_of, change_set_id, string
from app.api.segment_types import check_put_types
from app.api.strict_tokens import check_new_segments
from app.api.write_headers import IdempotentHeaders, WriteHeaders, guard_override
from app.api.writes import run_write
from app.core.changes.change_set_builder import ChangeSetBuilder, open_change_set
from app.core.changes.document_ids import rename_customer_in
from app.core.changes.guard import ChangeTooLarge, Guard
from app.core.changes.profiles import lock_customers, upsert_customers
from app.core.changes.replace_segments import replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate
from app.core.database import run_in_transaction
from app.core.errors import CustomerExists, CustomerNotFound, DomainError, Forbidden, InvalidDocumentId
from app.core.models.customers import PROFILE_FIELD_NAMES, check_document_id, get_customer
from app.core.models.segment_limit import refuse_over_limit
from app.serialization.change_set_json import serialize_id
from app.serialization.request_schemas import CustomerRowSchema, RequestSchema, Text, parse_profile, validate_body

SEGMENTS_SCOPE = "segments:write"
CUSTOMER_URL = "/v3/customers/<customer_id:document_id>"


class PreconditionFailed(DomainError):
    status = 412
    code = "PRECONDITION_FAILED"
    explanation = "The customer is not as If-Match or If-None-Match requires. Nothing was changed."


class CustomerResponse(ResponseSchema):
    class Meta(ResponseSchema.Meta):
        include = {name: string(allow_none=True) for name in PROFILE_FIELD_NAMES}  # noqa: RUF012 - as marshmallow has it

    document_id = string()
    segments = array_of(Segment, SEGMENTS)


def _customer_json(customer: Any) -> dict[str, Any]:
    """Return the profile and the segments of a customer, an object or a row with their columns."""
    profile = {name: getattr(customer, name) for name in PROFILE_FIELD_NAMES}
    return {"document_id": customer.document_id, **profile, "segments": customer.segments}


def _etag(customer: dict[str, Any]) -> str:
    return sha256(dumps(customer).encode()).hexdigest()[:32]


def _respond(customer: dict[str, Any]) -> Response:
    response = Response(dumps(customer), mimetype="application/json")
    response.set_etag(_etag(customer))
    return response


@blueprint.operation(
    "GET",
    CUSTOMER_URL,
    name="readCustomer",
    tag="Customers",
    scope="customers:read",
    query=QuerySchema,
    path_parameters=(CUSTOMER_ID,),
    responses=(Success(CustomerResponse, "The customer.", {**ANA, "segments": [GOLD]}),),
    errors=(CustomerNotFound,),
)
def read_customer(query: dict[str, Any], document_id: str) -> Response:
    """One customer

    Profile and segments. The ETag can be sent as If-Match when the customer is changed. The ids `segments`, `lookup`
    and `export`, and ids that end with `/segments` or `/rename`, are not reached by this URL: look them up.
    """
    return _respond(_customer_json(get_customer(document_id)))


def if_match() -> fields.String:
    """Return the field of the header that makes a write conditional."""
    metadata = {"description": "The ETag that the customer must have.", "example": "*"}
    return fields.String(data_key="If-Match", load_default=None, metadata=metadata)


WRITTEN = Success(
    CustomerResponse,
    "The customer as they are now.",
    {**ANA, "segments": [GOLD]},
    headers=("Change-Set", "ETag", "Guard-Warning"),
    links=CHANGE_SET_LINKS,
)


class PutHeaders(WriteHeaders):
    guard = guard_override()
    if_match = if_match()


class PutCustomerSchema(CustomerRowSchema):
    """The new profile of a customer: a missing field is empty. Segments stay as they are if the key is missing."""

    class Meta(CustomerRowSchema.Meta):
        exclude = ("document_id",)


@blueprint.operation(
    "PUT",
    CUSTOMER_URL,
    name="putCustomer",
    tag="Customers",
    scope="customers:write",
    query=DryRunQuery,
    headers=PutHeaders,
    path_parameters=(CUSTOMER_ID,),
    body=Body(PutCustomerSchema, {"name": "Ana Gómez", "email": "ana@example.com", "phone": None}),
    responses=(WRITTEN,),
    errors=(*BODY_ERRORS, InvalidDocumentId, PreconditionFailed, ChangeTooLarge),
)
def put_customer(query: dict[str, Any], headers: dict[str, Any], document_id: str) -> Response:
    """Create or replace a customer

    The profile is replaced as a whole, and so are the segments, if the key is there; that needs the scope
    `segments:write`, too. 403 if segments would change that are of other types than the token is limited to. With
    If-Match, only a customer with this ETag is changed. The guard of the token counts; what it refuses is never held.
    """
    return _write_customer(
        document_id, _parse_body(PutCustomerSchema(), dict.fromkeys(PROFILE_FIELD_NAMES)), query, headers
    )


class PatchCustomerSchema(PutCustomerSchema):
    """What changes of a customer: missing fields stay as they are."""


@blueprint.operation(
    "PATCH",
    CUSTOMER_URL,
    name="patchCustomer",
    tag="Customers",
    scope="customers:write",
    query=DryRunQuery,
    headers=PutHeaders,
    path_parameters=(CUSTOMER_ID,),
    body=Body(PatchCustomerSchema, {"email": "ana@example.com"}),
    responses=(WRITTEN,),
    errors=(*BODY_ERRORS, InvalidDocumentId, CustomerNotFound, PreconditionFailed, ChangeTooLarge),
)
def patch_customer(query: dict[str, Any], headers: dict[str, Any], document_id: str) -> Response:
    """Change a customer

    Fields of the profile that are not sent stay as they are, and null empties one. The segments are replaced as a
    whole, if the key is there. Scopes, If-Match and guard are as for PUT; a customer who does not exist is not created.
    """
    return _write_customer(document_id, _parse_body(PatchCustomerSchema(), {}), query, headers, creates=False)


def _parse_body(schema: PutCustomerSchema, missing: dict[str, None]) -> dict[str, Any]:
    """Return the fields of the body, with those of `missing` that it does not have."""
    body = json_body()
    validate_body(body, schema)
    return {**missing, **{name: body[name] for name in (*PROFILE_FIELD_NAMES, "segments") if name in body}}


def _write_customer(
    document_id: str, body: dict[str, Any], query: dict[str, Any], headers: dict[str, Any], *, creates: bool = True
) -> Response:
    check_document_id(document_id)
    sent, dry_run = parse_profile({"document_id": document_id, **body}), query["dry_run"]
    if "segments" in sent and SEGMENTS_SCOPE not in current_client().scopes:
        raise Forbidden(f"The token lacks the scope {SEGMENTS_SCOPE}, which segments need.")

    def work(session: Session) -> tuple[dict[str, Any], int | None]:
        current = lock_customers(session, [document_id]).get(document_id)
        if current is None and not creates:
            raise CustomerNotFound("No customer has this document_id.")
        _check_precondition(current)
        if "segments" in sent:
            check_put_types(current.segments if current else [], sent["segments"])
            check_new_segments(current.segments if current else [], sent["segments"])
        with open_change_set(session, current_client().actor(), note=headers["change_reason"]) as change_set:
            change_set.counted_types = current_client().types
            _put(change_set, sent, effective_guard(headers))
        customer = _customer_json(lock_customers(session, [document_id])[document_id])
        return customer, change_set.id if change_set.has_changes and not dry_run else None

    customer, change_set_id = run_in_transaction(work, commit=not dry_run)
    token_requests.note_counts(CustomerCounts(sent=1, changed=int(change_set_id is not None)), dry_run=dry_run)
    response = _respond(customer)
    if change_set_id is not None:
        response.headers["Change-Set"] = str(change_set_id)
    return response


def _check_precondition(row: Any) -> None:
    """Raise PreconditionFailed unless the customer is as the headers require; ETags are compared weakly."""
    if "If-Match" in request.headers:
        matches = row is not None and (
            request.if_match.star_tag or request.if_match.contains_weak(_etag(_customer_json(row)))
        )
        if not matches:
            raise PreconditionFailed(PreconditionFailed.explanation)
    if request.if_none_match.star_tag and row is not None:
        raise PreconditionFailed(PreconditionFailed.explanation)


def _put(change_set: ChangeSetBuilder, sent: dict[str, Any], guard: Guard | None) -> None:
    profile = {name: value for name, value in sent.items() if name != "segments"}
    upsert_customers(change_set.session, [profile], change_set)
    if "segments" not in sent:
        return
    result = replace_segments_in(change_set, PreparedUpdate.of({sent["document_id"]: sent["segments"]}))
    refuse_over_limit("segments" for _ in result.too_many)
    if guard:
        guard.check(change_set.emptied, 1, result)
    note_warning(guard, change_set.emptied, 1)


class RenameSchema(RequestSchema):
    document_id = Text(required=True)


class RenamedCustomer(ResponseSchema):
    changeSet = change_set_id()  # noqa: N815


@blueprint.operation(
    "POST",
    "/v3/customers/<document_id:document_id>/rename",
    name="renameCustomer",
    tag="Customers",
    scope="customers:write",
    query=DryRunQuery,
    headers=IdempotentHeaders,
    path_parameters=(CUSTOMER_ID,),
    body=Body(RenameSchema, {"document_id": "1232-9999"}),
    responses=(
        Success(
            RenamedCustomer,
            "The change set of the change.",
            {"changeSet": "43"},
            headers=("Change-Set",),
            links=CHANGE_SET_LINKS,
        ),
    ),
    errors=(*BODY_ERRORS, InvalidDocumentId, CustomerNotFound, CustomerExists, IdempotencyMismatch),
)
def rename_customer(query: dict[str, Any], headers: dict[str, Any], document_id: str) -> Response:
    """Change the document_id of a customer

    Profile, segments and history stay with the customer. An id that another customer has is refused.
    """
    body = json_body()
    validate_body(body, RenameSchema())

    def work(session: Session) -> StoredResponse:
        check_precondition_of(session, document_id)
        with open_change_set(session, current_client().actor(), note=headers["change_reason"]) as change_set:
            rename_customer_in(change_set, document_id, body["document_id"])
        change_set_id = None if query["dry_run"] else change_set.id
        return StoredResponse(dumps({"changeSet": serialize_id(change_set_id)}), change_set_id)

    return run_write(work, headers, dry_run=query["dry_run"])


def check_precondition_of(session: Session, document_id: str) -> None:
    """Raise PreconditionFailed unless the customer, who is locked, is as If-Match requires."""
    if "If-Match" in request.headers:
        _check_precondition(lock_customers(session, [document_id]).get(document_id))
