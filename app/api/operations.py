"""Every operation of the API, as the documentation tells it: contract §1 to §3."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from marshmallow import Schema

from app.api import answer_schemas as answers
from app.api.parameters import MOST_ON_A_PAGE
from app.schemas import MergeSegments, ReplaceSegments, SaveCustomers


class Refused(NamedTuple):
    status: int
    when: str
    example: str
    """A message as it is answered; {customers}, {bytes} and {rate} are the limits of the service."""


ERRORS = {
    "MALFORMED_JSON": Refused(400, "The body is empty, no JSON, or not UTF-8.", "The body is empty."),
    "VALIDATION_ERROR": Refused(
        400,
        "JSON or a parameter of the wrong shape; `details` names each problem by its path.",
        "1 problem in the query.",
    ),
    "UNAUTHENTICATED": Refused(
        401,
        "No token, or one that is malformed, unknown, expired or revoked.",
        "A valid token is needed: Authorization: Bearer <token>.",
    ),
    "FORBIDDEN": Refused(
        403,
        "The token lacks the scope, or may not be used from this address.",
        "The token lacks the scope segments:write.",
    ),
    "NOT_FOUND": Refused(404, "There is nothing at this URL.", "There is nothing at this URL."),
    "CUSTOMER_NOT_FOUND": Refused(
        404, "No customer has this document_id or e-mail.", "No customer has this document_id."
    ),
    "AMBIGUOUS_EMAIL": Refused(
        409,
        "Several customers have this e-mail: ask by document_id.",
        "Several customers have this e-mail: ask by document_id.",
    ),
    "CHANGE_TOO_LARGE": Refused(
        409,
        "More customers would lose all their segments than the token's guard allows. With the report.",
        "90 customers would lose all their segments: more than the guard of the token allows. Nothing was changed. "
        "To do it all the same: Guard: override.",
    ),
    "NO_LONGER_KNOWN": Refused(
        410,
        "What comes after this cursor is no longer kept.",
        "Changes after this cursor are no longer kept. Read the feed from its start again.",
    ),
    "TOO_LARGE": Refused(
        413,
        "More than {customers} customers, or {bytes} bytes after decompression.",
        "The body is larger than {bytes} bytes (MAX_BODY_BYTES).",
    ),
    "UNSUPPORTED_MEDIA_TYPE": Refused(
        415,
        "Not application/json in UTF-8, or an unknown Content-Encoding.",
        "Send Content-Type: application/json, in UTF-8.",
    ),
    "IDEMPOTENCY_MISMATCH": Refused(
        422,
        "The Idempotency-Key came with another request before.",
        "This Idempotency-Key came with another request before. Nothing was changed.",
    ),
    "RATE_LIMITED": Refused(
        429,
        "The token calls too often; see Retry-After.",
        "The token may call {rate}. Nothing was changed; see Retry-After.",
    ),
    "INTERNAL": Refused(
        500,
        "A fault of ours; tell us the request id.",
        "Something went wrong on our side. Request id: 5f0c3a9be1d74a30a3c0f0a6b9f1d2e7",
    ),
    "UNAVAILABLE": Refused(
        503,
        "The database is away or busy; try again after Retry-After.",
        "The database is away or busy. Nothing was changed; try again in a moment.",
    ),
}

DETAILS = {"VALIDATION_ERROR": [{"path": "limit", "message": "Must be a whole number from 1 to 1000."}]}
GUARDED = {"changed": 100, "unchanged": 0, "notFound": [], "duplicates": [], "stale": [], "changeSet": None}

ANY = ("UNAUTHENTICATED", "FORBIDDEN", "RATE_LIMITED", "INTERNAL", "UNAVAILABLE")
QUERY = ("VALIDATION_ERROR", *ANY)
BODY = ("MALFORMED_JSON", *QUERY, "TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")
CHANGE = (*BODY, "CHANGE_TOO_LARGE", "IDEMPOTENCY_MISMATCH")

Parameter = dict[str, Any]


def query(name: str, told: str, **schema: Any) -> Parameter:
    return {"in": "query", "name": name, "description": told, "schema": {"type": "string", **schema}}


def path(name: str, told: str, example: str) -> Parameter:
    described = {"in": "path", "name": name, "required": True, "description": told, "example": example}
    return {**described, "schema": {"type": "string", "minLength": 1}}


def header(name: str, told: str, **schema: Any) -> Parameter:
    return {"in": "header", "name": name, "description": told, "schema": {"type": "string", **schema}}


IF_NONE_MATCH = header("If-None-Match", "The ETag of an answer before: 304 if it is still the same.")
FLAG = {"type": "boolean", "default": False}
DRY_RUN = query("dry_run", "Same checks and answer, with the report; nothing is written.", **FLAG)
LIMIT = query("limit", "How many at most.", type="integer", minimum=1, maximum=MOST_ON_A_PAGE, default=MOST_ON_A_PAGE)
EXTRAS = (
    DRY_RUN,
    query("report", "Adds the report: who was changed, unchanged, not found, repeated or stale.", **FLAG),
    query("as_of", "Leaves customers alone that were changed after this moment.", format="date-time"),
    header("Idempotency-Key", "Makes the request safe to repeat for 24 hours.", minLength=1, maxLength=255),
    header("Guard", "`override` lets a change through that the token's guard refuses.", enum=["override"]),
)
GOLD = {"type": "membership", "value": "GOLD"}
REPORT = {"changed": 1, "unchanged": 0, "notFound": ["222-133"], "duplicates": [], "stale": [], "changeSet": "42"}
ANA = {"document_id": "1232-2323", "name": "Ana Gómez", "email": "ana@example.com", "phone": "+57 300 123 4567"}
AT = "2026-11-23T08:00:00Z"


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    name: str
    tag: str
    scope: str | None
    summary: str
    description: str
    answers: str
    answered: type[Schema]
    answer: Any
    """An example."""
    refusals: tuple[str, ...] = QUERY
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    sent: Any = None
    asked: str = ""
    """The query string of the example."""
    headers: tuple[str, ...] = ()
    """Those of its answers, besides the ones that all have."""
    links: dict[str, Any] = field(default_factory=dict)
    """What can be asked next, and with what out of this answer."""

    def curl(self) -> str:
        url = self.path
        for parameter in self.parameters:
            if parameter["in"] == "path":
                url = url.replace(f"{{{parameter['name']}}}", parameter["example"])
        lines = [f"curl -X {self.method.upper()} 'https://segments.example{url}{self.asked}'"]
        if self.scope:
            lines.append("-H 'Authorization: Bearer <token>'")
        if self.sent is not None:
            lines += ["-H 'Content-Type: application/json'", f"-d '{orjson.dumps(self.sent).decode()}'"]
        return " \\\n  ".join(lines)


CUSTOMER_ID = path("document_id", "Any id, slashes included.", "1232-2323")
CHANGE_SET_ID = path("change_set_id", "As the header Change-Set named it.", "42") | {
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"}
}
CHANGED = {"updatedCustomers": ["1232-2323"]}
FIRST_SENT = "$request.body#/customers/0/document_id"


def link(operation: str, **parameters: str) -> dict[str, Any]:
    return {"operationId": operation, "parameters": parameters}


MADE_A_CHANGE_SET = {
    "changeSet": link("readChangeSet", change_set_id="$response.header.Change-Set"),
    "revert": link("revertChangeSet", change_set_id="$response.header.Change-Set"),
}

OPERATIONS = (
    Operation(
        "post",
        "/api/v3/customers/segments",
        "replaceSegments",
        "Segments",
        "segments:write",
        "Replace the segments of existing customers",
        "All segments of each customer are replaced by those sent, kept exactly as sent; `null` and `[]` clear. "
        "Customers who do not exist are left out of the answer. The first entry of a repeated document_id wins. "
        "One request is one transaction.",
        "The customers found, who now hold what was sent, in the order sent.",
        answers.Updated,
        CHANGED,
        CHANGE,
        EXTRAS,
        ReplaceSegments,
        {"customers": [{"document_id": "1232-2323", "segments": [GOLD]}, {"document_id": "222-133", "segments": None}]},
        headers=("Change-Set",),
        links=MADE_A_CHANGE_SET,
    ),
    Operation(
        "patch",
        "/api/v3/customers/segments",
        "mergeSegments",
        "Segments",
        "segments:write",
        "Add and remove segments of existing customers",
        "Those to remove go, those to add come last unless they are there already; concurrent requests all count.",
        "As for replacing.",
        answers.Updated,
        CHANGED,
        CHANGE,
        EXTRAS,
        MergeSegments,
        {"customers": [{"document_id": "1232-2323", "add": [GOLD], "remove": []}]},
        headers=("Change-Set",),
        links=MADE_A_CHANGE_SET,
    ),
    Operation(
        "get",
        "/api/customers/segments",
        "gateway",
        "Segments",
        "segments:read",
        "One customer's segments, by document_id or e-mail",
        "What an e-commerce platform asks at sign-up. Send one of the two. E-mails are compared without regard to "
        "case.",
        "Her segments, in their order.",
        answers.CustomersSegments,
        {"segments": [GOLD]},
        (*QUERY, "CUSTOMER_NOT_FOUND", "AMBIGUOUS_EMAIL"),
        (query("document_id", "Her id."), query("email", "Her e-mail.")),
        asked="?email=ana@example.com",
    ),
    Operation(
        "get",
        "/api/v3/customers/{document_id}/segments",
        "readSegments",
        "Segments",
        "segments:read",
        "One customer's segments",
        "By the id in the path.",
        "Her segments, in their order.",
        answers.CustomersSegments,
        {"segments": [GOLD]},
        (*ANY, "CUSTOMER_NOT_FOUND"),
        (CUSTOMER_ID,),
    ),
    Operation(
        "get",
        "/api/v3/segments",
        "listSegments",
        "Segments",
        "segments:read",
        "The catalogue",
        "Every segment that somebody holds, by type and value, with how many customers do.",
        "A page of them; `next` is the cursor of the following one, or null.",
        answers.Catalogue,
        {"segments": [{**GOLD, "customers": 12431}], "next": None},
        QUERY,
        (query("type", "Only of this type."), LIMIT, query("cursor", "`next` of the page before.")),
    ),
    Operation(
        "get",
        "/api/v3/customers",
        "listCustomers",
        "Customers",
        "customers:read",
        "List and search customers",
        "By document_id; those of whom all filters are true.",
        "A page of them; `next` is the cursor of the following one, or null.",
        answers.Customers,
        {"customers": [{**ANA, "segments": [GOLD], "changedAt": AT}], "next": None},
        QUERY,
        (
            query("q", "Words of the id, name, e-mail or phone, without case and accents."),
            query("segment", "`type:value` that they have; repeatable.", type="array", items={"type": "string"}),
            query("without", "`type:value` that they have not; repeatable.", type="array", items={"type": "string"}),
            query("has", "Whether they have any segments.", enum=["any", "none"]),
            LIMIT,
            query("cursor", "`next` of the page before."),
        ),
        asked="?q=gomez&segment=membership:GOLD",
        links={"segments": link("readSegments", document_id="$response.body#/customers/0/document_id")},
    ),
    Operation(
        "post",
        "/api/v3/customers",
        "saveCustomers",
        "Customers",
        "customers:write",
        "Create or update customers",
        "By document_id; segments stay untouched, and so do facts that are not sent.",
        "How many were created, updated and as sent already.",
        answers.Saved,
        {"created": 1, "updated": 0, "unchanged": 0},
        BODY,
        (),
        SaveCustomers,
        {"customers": [ANA]},
        links={
            "segments": link("readSegments", document_id=FIRST_SENT),
            "replace": {
                "operationId": "replaceSegments",
                "requestBody": {"customers": [{"document_id": FIRST_SENT, "segments": [GOLD]}]},
            },
        },
    ),
    Operation(
        "get",
        "/api/v3/changes",
        "listChanges",
        "Changes",
        "changes:read",
        "The change feed",
        "Every change of every customer's segments, oldest first. Keep `next` and send it as `after`: none is "
        "skipped and none comes twice.",
        "The next changes; `next` is where to go on, also after the newest.",
        answers.Changes,
        {
            "changes": [
                {
                    "id": "42:1232-2323",
                    "at": AT,
                    "actor": "token crm-nightly",
                    "source": "api",
                    "changeSet": "42",
                    "document_id": "1232-2323",
                    "before": [],
                    "after": [GOLD],
                }
            ],
            "next": "…",
        },
        (*QUERY, "NO_LONGER_KNOWN"),
        (query("after", "`next` of the answer before."), LIMIT),
        links={
            "next": link("listChanges", after="$response.body#/next"),
            "changeSet": link("readChangeSet", change_set_id="$response.body#/changes/0/changeSet"),
        },
    ),
    Operation(
        "get",
        "/api/v3/change-sets/{change_set_id}",
        "readChangeSet",
        "Changes",
        "changes:read",
        "One change set",
        "Everything that one request, form, file or undo changed.",
        "Who, when, by what means, and how many customers.",
        answers.ChangeSet,
        {
            "id": "42",
            "at": AT,
            "actor": "token crm-nightly",
            "source": "api",
            "note": None,
            "reverts": None,
            "changed": 1,
            "unchanged": 0,
            "created": 0,
            "updated": 0,
        },
        (*ANY, "NOT_FOUND"),
        (CHANGE_SET_ID,),
        links={"revert": link("revertChangeSet", change_set_id="$response.body#/id")},
    ),
    Operation(
        "post",
        "/api/v3/change-sets/{change_set_id}/revert",
        "revertChangeSet",
        "Changes",
        "segments:write",
        "Undo a change set",
        "Who still holds what it gave her is put back; the others are listed as conflicts. Itself a change set.",
        "How many were put back, how many were so already, and who was not.",
        answers.Reverted,
        {"changed": 1, "unchanged": 0, "conflicts": [], "changeSet": "43"},
        (*QUERY, "NOT_FOUND"),
        (CHANGE_SET_ID, DRY_RUN),
        headers=("Change-Set",),
        links=MADE_A_CHANGE_SET,
    ),
    Operation(
        "get",
        "/api/v3/openapi.json",
        "describe",
        "Description",
        None,
        "This description",
        "OpenAPI 3.1; `/api/docs` is a page to read it and to try the API.",
        "The description.",
        answers.Specification,
        {"openapi": "3.1.0", "info": {}, "paths": {}, "components": {}},
        ("INTERNAL",),
    ),
)
