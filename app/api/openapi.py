"""The API's description of itself, OpenAPI 3.1 built from the declarations at the views, and a page to try it."""

from dataclasses import asdict, dataclass
from typing import Any

import orjson
from flask import Flask, Response, current_app, jsonify, render_template, send_from_directory
from flask_smorest import Api
from flask_swagger_ui import __file__ as swagger_ui
from marshmallow import fields

from app.api import blueprint
from app.api.api_blueprint import Operation, Success, error_response
from app.api.rate_limit import format_rate
from app.api.schemas import ResponseSchema, string
from app.api.webhook_messages import describe_messages
from app.core.errors import BadRequest, InternalError, MethodNotAllowed
from app.core.limits import MAX_PAGE_SIZE
from app.serialization.request_schemas import PatchSegmentsSchema, ReplaceSegmentsSchema, UpsertCustomersSchema
from app.web.url_converters import DocumentIdConverter, NumberConverter, SegmentPartConverter

DIST = swagger_ui.replace("__init__.py", "dist")
ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js")

INTRODUCTION = """The segments of a retailer's customers: replace, read and search them, and follow every change.

Every operation needs `Authorization: Bearer <token>` with the scope that it names. A refused request changes nothing,
and its answer always has the same shape. `X-Request-Id` is in every answer: the one of the request, if it is up to 128
letters, digits and `._:/+=-`. A body may have `Content-Encoding: gzip`. What is not valid HTTP is refused before an
operation is chosen: 400, 417 and 501 `BAD_REQUEST`, 414 and 431 `TOO_LARGE`.

A request may have {customers:,} customers and {bytes:,} bytes (after decompression), a page 1 to {page:,} elements.
A token may call {rate}."""

NO_RATE = "any number of times"

VERSION = "3.3.0"
"""Its second number rises with every addition (docs/api.md, Versions)."""

TAGS = {
    "Segments": "The segments of customers, and the catalogue.",
    "Customers": "Profiles of customers: create, read, search, rename, erase.",
    "Jobs": "Changes of any number of customers, applied in the background.",
    "Changes": "The record of all changes: follow it, and revert what was wrong.",
    "Webhooks": "URLs that receive events, and the messages that they are sent.",
    "Description": "This document.",
}


@dataclass(frozen=True)
class Limits:
    """Customers and bytes of a request, elements of a page, and (in words) requests of a token."""

    customers: int
    bytes: int
    rate: str
    page: int = MAX_PAGE_SIZE


class Description(Api):  # type: ignore[misc]  # flask-smorest is untyped
    """flask-smorest's document, without its error handlers and error answers: those are `app.errors`."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Register none: flask-smorest's would also answer for the pages."""

    def _register_responses(self) -> None:
        """Register none: `init_app` registers those of the domain's errors."""

    def _register_etag_headers(self) -> None:
        """Register none: HEADERS has our own."""

    def _register_pagination_header(self) -> None:
        """Register none: pages of lists have a cursor in the answer."""


def init_app(app: Flask) -> None:
    """Describe the API of this application, with its limits."""
    rate = format_rate(app.config["RATE_LIMIT"]) if app.config["RATE_LIMIT"] else NO_RATE
    limits = asdict(Limits(app.config["MAX_CUSTOMERS_PER_REQUEST"], app.config["MAX_BODY_BYTES"], rate))
    app.extensions["api-limits"] = limits
    info = {
        "description": INTRODUCTION.format(**limits),
        "x-limits": limits,
        "license": {"name": "MIT", "identifier": "MIT"},
    }
    description = Description(
        app,
        spec_kwargs={
            "title": "Customer Segments",
            "version": VERSION,
            "openapi_version": "3.1.0",
            "info": info,
            "servers": [{"url": "/", "description": "This service."}],
            "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        },
    )
    description.register_converter(DocumentIdConverter, lambda _converter: {"type": "string", "minLength": 1})
    description.register_converter(SegmentPartConverter, lambda _converter: {"type": "string", "minLength": 1})
    description.register_converter(NumberConverter, lambda _converter: {"type": "string", "pattern": "^[0-9]{1,18}$"})
    _register_components(description.spec, limits)
    blueprint.register_views_in_doc(description, app, description.spec, name=blueprint.name, parameters=None)
    messages = describe_messages(description.spec)
    app.extensions["openapi"] = {**_complete(description.spec.to_dict()), "webhooks": messages}


def _register_components(spec: Any, limits: dict[str, Any]) -> None:
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for schema in (ReplaceSegmentsSchema, PatchSegmentsSchema, UpsertCustomersSchema):
        name = schema.__name__.removesuffix("Schema")
        spec.components.schema(name, schema=schema)
        spec.components.schemas[name]["properties"]["customers"]["maxItems"] = limits["customers"]
    errors = [found for operation in blueprint.operations.values() for found in operation.errors_by_status().values()]
    for error in dict.fromkeys(found[0] for found in errors if len(found) == 1):
        spec.components.response(error.code, error_response([error], limits))
    codes = {error.code for found in errors for error in found} | {MethodNotAllowed.code}
    spec.components.schemas["ErrorBody"]["properties"]["code"]["enum"] = sorted(codes)


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to each operation its scope and a call in its text, which is all that the page shows."""
    for path, item in document["paths"].items():
        for method, described in item.items():
            if method == "parameters":
                continue
            operation = blueprint.operations[described["operationId"]]
            call = curl(method, path, operation, item.get("parameters", []))
            scope = f"\n\nScope: `{operation.scope}`" if operation.scope else ""
            described["description"] = f"{described.get('description', '')}{scope}\n\n```sh\n{call}\n```"
            described["x-codeSamples"] = [{"lang": "Shell", "label": "curl", "source": call}]
    return document


def curl(method: str, path: str, operation: Operation, parameters: list[Any]) -> str:
    """Return a call that can be pasted into a shell, with the examples of the operation."""
    for parameter in parameters:
        path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    lines = [f"curl -X {method.upper()} 'https://segments.example{path}{operation.example_query}'"]
    if operation.scope:
        lines.append("-H 'Authorization: Bearer <token>'")
    if operation.body:
        lines.append("-H 'Content-Type: application/json'")
        lines.append(f"-d '{orjson.dumps(operation.body.example).decode()}'")
    return " \\\n  ".join(lines)


class Specification(ResponseSchema):
    openapi = string()
    info = fields.Dict(required=True)
    paths = fields.Dict(required=True)
    webhooks = fields.Dict(required=True)
    components = fields.Dict(required=True)


@blueprint.operation(
    "GET",
    "/v3/openapi.json",
    name="describe",
    tag="Description",
    scope=None,
    responses=(
        Success(
            Specification,
            "The description.",
            {"openapi": "3.1.0", "info": {}, "paths": {}, "webhooks": {}, "components": {}},
        ),
    ),
    errors=(BadRequest, InternalError),
)
def openapi() -> Response:
    """This description

    OpenAPI 3.1; `/api/docs` is a page to read it and to try the API.
    """
    return jsonify(current_app.extensions["openapi"])


@blueprint.public_page("/docs")
def docs() -> str:
    return render_template("api_docs.html", assets=ASSETS)


@blueprint.public_page("/docs/<any('swagger-ui.css', 'swagger-ui-bundle.js'):name>")
def docs_asset(name: str) -> Response:
    """Return one of Swagger UI's own files, from its package."""
    return send_from_directory(DIST, name)


NUMBER = {"type": "integer", "minimum": 0}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "Identifies the request in the logs of the service.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/+=-]{1,128}$"},
        "example": "5f0c3a9be1d74a30a3c0f0a6b9f1d2e7",
    },
    "Change-Set": {
        "description": "The change set of the change, if anything changed.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
        "example": "42",
    },
    "Guard-Warning": {
        "description": "How many customers lost all their segments, if the guard of the token warns of so many.",
        "schema": {"type": "string"},
        "example": "90 customers lost all their segments: more than the token's guard warns of.",
    },
    "Location": {
        "description": "The address of the job.",
        "required": True,
        "schema": {"type": "string"},
        "example": "/api/v3/jobs/7",
    },
    "Change-Cursor": {
        "description": "The cursor from which to follow the change feed: send it as `after`.",
        "required": True,
        "schema": {"type": "string"},
        "example": "WzQyLDEsN10.mQ",
    },
    "ETag": {
        "description": "Identifies this answer: as If-None-Match, it asks whether the answer is still the same.",
        "required": True,
        "schema": {"type": "string"},
        "example": 'W/"2d4a30a3c0f0a6b9"',
    },
    "Retry-After": {"description": "Seconds to wait.", "required": True, "schema": NUMBER, "example": 5},
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "enum": ["Bearer"]}, "example": "Bearer"},
    "RateLimit-Limit": {"description": "Requests of a token, if limited.", "schema": NUMBER, "example": 600},
    "RateLimit-Remaining": {"description": "How many of them are left.", "schema": NUMBER, "example": 599},
    "RateLimit-Reset": {"description": "Seconds until the window ends.", "schema": NUMBER, "example": 60},
}
