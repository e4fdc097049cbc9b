"""The API described by itself: OpenAPI 3.1, made of the schemas that validate, and a page to read and try it."""

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Response, current_app, jsonify, render_template, send_from_directory
from flask_swagger_ui import __file__ as swagger_ui

from app.api import blueprint
from app.api.auth import public
from app.api.error_codes import DETAILS, ERRORS, GUARDED
from app.api.operation import IF_NONE_MATCH, Operation
from app.api.operations import OPERATIONS
from app.api.rate_limit import format_rate
from app.api.response_schemas import Error
from app.core.limits import MAX_PAGE_SIZE
from app.serialization.request_schemas import PatchSegmentsSchema, ReplaceSegmentsSchema, UpsertCustomersSchema

DIST = swagger_ui.replace("__init__.py", "dist")
ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js")

INTRODUCTION = """Which segments does each customer of a retailer carry?

Every operation needs `Authorization: Bearer <token>` with the scope that it names. A refusal changes nothing and
always has the same shape. `X-Request-Id` stands in every answer: the request's own, if it sent one of up to 128
letters, digits and `._:/+=-`. A body may come with `Content-Encoding: gzip`.

A request may carry {customers:,} customers and {bytes:,} bytes (after decompression), a page 1 to {page:,} elements.
A token may call {rate}."""

NO_RATE = "any number of times"


@dataclass(frozen=True)
class Limits:
    """Of customers and bytes a request, elements a page, and (in words) requests a token."""

    customers: int
    bytes: int
    rate: str
    page: int = MAX_PAGE_SIZE


@blueprint.get("/v3/openapi.json")
@public
def openapi() -> Response:
    setting = current_app.config
    rate = format_rate(setting["RATE_LIMIT"]) if setting["RATE_LIMIT"] else NO_RATE
    return jsonify(specification(Limits(setting["MAX_CUSTOMERS_PER_REQUEST"], setting["MAX_BODY_BYTES"], rate)))


@blueprint.get("/docs")
@public
def docs() -> str:
    return render_template("api_docs.html", assets=ASSETS)


@blueprint.get("/docs/<any('swagger-ui.css', 'swagger-ui-bundle.js'):name>")
@public
def docs_asset(name: str) -> Response:
    """Swagger UI's own files, out of its package."""
    return send_from_directory(DIST, name)


@cache
def specification(limits: Limits) -> dict[str, Any]:
    """The OpenAPI document of a service with these limits."""
    told = asdict(limits)
    spec = APISpec(
        title="Customer Segments",
        version="3",
        openapi_version="3.1.0",
        info={
            "description": INTRODUCTION.format(**told),
            "x-limits": told,
        },
        plugins=[MarshmallowPlugin()],
    )
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for schema in (ReplaceSegmentsSchema, PatchSegmentsSchema, UpsertCustomersSchema):
        spec.components.schema(schema.__name__.removesuffix("Schema"), schema=schema)
        spec.components.schemas[schema.__name__.removesuffix("Schema")]["properties"]["customers"]["maxItems"] = (
            limits.customers
        )
    for code in ERRORS:
        spec.components.response(code, _refusals([code], told))
    for operation in OPERATIONS:
        spec.path(path=operation.path, operations={operation.method: _operation(operation, told)})
    return spec.to_dict()


NUMBER = {"type": "integer", "minimum": 0}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "Names the request in our logs.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/+=-]{1,128}$"},
        "example": "5f0c3a9be1d74a30a3c0f0a6b9f1d2e7",
    },
    "Change-Set": {
        "description": "The change set that was made, if one was.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
        "example": "42",
    },
    "ETag": {
        "description": "Of this answer: send it as If-None-Match to be told by 304 that it is still the same.",
        "required": True,
        "schema": {"type": "string"},
        "example": 'W/"2d4a30a3c0f0a6b9"',
    },
    "Retry-After": {"description": "Seconds to wait.", "required": True, "schema": NUMBER, "example": 5},
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "enum": ["Bearer"]}, "example": "Bearer"},
    "RateLimit-Limit": {"description": "Calls of a token, where they are limited.", "schema": NUMBER, "example": 600},
    "RateLimit-Remaining": {"description": "How many of them are left.", "schema": NUMBER, "example": 599},
    "RateLimit-Reset": {"description": "In how many seconds more are.", "schema": NUMBER, "example": 60},
}
RATE = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
OF_STATUS = {401: ("WWW-Authenticate",), 429: ("Retry-After", *RATE), 503: ("Retry-After",)}


def _headers(*names: str) -> dict[str, str]:
    """By their names, which apispec makes references."""
    return {name: name for name in ("X-Request-Id", *names)}


def _refusals(codes: list[str], limits: dict[str, Any]) -> dict[str, Any]:
    """The answer of one status, with an example for each code."""
    status = ERRORS[codes[0]].status
    examples: dict[str, Any] = {}
    for code in codes:
        example = {
            "code": code,
            "message": (ERRORS[code].example or ERRORS[code].explanation).format(**limits),
            "details": DETAILS.get(code, []),
        }
        examples[code] = {"summary": ERRORS[code].explanation.format(**limits), "value": {"error": example}}
    if "CHANGE_TOO_LARGE" in examples:
        examples["CHANGE_TOO_LARGE"]["value"]["report"] = GUARDED
    return {
        "description": " ".join(f"`{code}`: {examples[code]['summary']}" for code in codes),
        "headers": _headers(*OF_STATUS.get(status, RATE)),
        "content": {"application/json": {"schema": Error, "examples": examples}},
    }


def _operation(operation: Operation, limits: dict[str, Any]) -> dict[str, Any]:
    parameters = (*operation.parameters, *((IF_NONE_MATCH,) if operation.method == "get" else ()))
    described: dict[str, Any] = {
        "summary": operation.summary,
        "description": _told(operation),
        "operationId": operation.name,
        "tags": [operation.tag],
        "security": [{"token": []}] if operation.scope else [],
        "x-scope": operation.scope,
        "parameters": [dict(parameter) for parameter in parameters],
        "responses": _responses(operation, limits),
        "x-codeSamples": [{"lang": "Shell", "label": "curl", "source": operation.curl()}],
    }
    if operation.body:
        content = {"schema": operation.body, "example": operation.sent}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _told(operation: Operation) -> str:
    """What the page of the documentation shows, which knows nothing of `x-scope` and `x-codeSamples`."""
    scope = f"\n\nScope: `{operation.scope}`" if operation.scope else ""
    return f"{operation.description}{scope}\n\n```sh\n{operation.curl()}\n```"


def _responses(operation: Operation, limits: dict[str, Any]) -> dict[str, Any]:
    conditional = operation.method == "get"
    headers = _headers(*operation.headers, *(("ETag",) if conditional else ()), *(RATE if operation.scope else ()))
    content = {"application/json": {"schema": operation.answered, "example": operation.answer}}
    answered = {"description": operation.answers, "headers": headers, "content": content, "links": operation.links}
    responses: dict[str, Any] = {"200": answered}
    if conditional:
        responses["304"] = {"description": "It is what the caller has, by If-None-Match.", "headers": headers}
    by_status: dict[int, list[str]] = {}
    for code in operation.refusals:
        by_status.setdefault(ERRORS[code].status, []).append(code)
    for status, codes in by_status.items():
        responses[str(status)] = codes[0] if len(codes) == 1 else _refusals(codes, limits)
    return responses
