"""The API described by itself: OpenAPI 3.1, made of the schemas that validate, and a page to read and try it."""

from functools import cache
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Response, current_app, jsonify, render_template, send_from_directory
from flask_swagger_ui import __file__ as swagger_ui

from app.api import blueprint
from app.api.auth import open_to_all
from app.api.operations import ERRORS, OPERATIONS, Operation
from app.schemas import CustomerFacts, MergeSegments, ReplaceSegments, SaveCustomers, SegmentRow

DIST = swagger_ui.replace("__init__.py", "dist")
ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js")

INTRODUCTION = """Which segments does each customer of a retailer carry?

Every operation needs `Authorization: Bearer <token>` with the scope that it names. A refusal changes nothing and
always has the same shape; `X-Request-Id` stands in every answer. At most {customers:,} customers and {bytes:,} bytes a
request."""


@blueprint.get("/v3/openapi.json")
@open_to_all
def openapi() -> Response:
    limits = current_app.config["MAX_CUSTOMERS_PER_REQUEST"], current_app.config["MAX_BODY_BYTES"]
    return jsonify(specification(*limits))


@blueprint.get("/docs")
@open_to_all
def docs() -> str:
    return render_template("api_docs.html", assets=ASSETS)


@blueprint.get("/docs/<any('swagger-ui.css', 'swagger-ui-bundle.js'):name>")
@open_to_all
def docs_asset(name: str) -> Response:
    """Swagger UI's own files, out of its package."""
    return send_from_directory(DIST, name)


@cache
def specification(most_customers: int, most_bytes: int) -> dict[str, Any]:
    """The OpenAPI document of a service with these limits."""
    spec = APISpec(
        title="Customer Segments",
        version="3",
        openapi_version="3.1.0",
        info={"description": INTRODUCTION.format(customers=most_customers, bytes=most_bytes)},
        plugins=[MarshmallowPlugin()],
    )
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    for schema in (SegmentRow, ReplaceSegments, MergeSegments, CustomerFacts, SaveCustomers):
        if schema.__name__ not in spec.components.schemas:
            spec.components.schema(schema.__name__, schema=schema)
    spec.components.schema("Error", ERROR)
    for code, (status, when) in ERRORS.items():
        spec.components.response(code, _refusal(code, status, when, most_customers, most_bytes))
    for operation in OPERATIONS:
        spec.path(path=operation.path, operations={operation.method: _operation(operation)})
    return spec.to_dict()


ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["path", "message"],
                        "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
                    },
                },
            },
        },
        "report": {"type": "object", "description": "With CHANGE_TOO_LARGE: what would have been."},
    },
}


def _refusal(code: str, status: int, when: str, most_customers: int, most_bytes: int) -> dict[str, Any]:
    told = when.format(customers=most_customers, bytes=most_bytes)
    example = {"error": {"code": code, "message": told, "details": []}}
    content = {"application/json": {"schema": "Error", "example": example}}
    return {"description": f"{status} {code}: {told}", "content": content}


def _operation(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {
        "200": {
            "description": operation.answers,
            "content": {"application/json": {"schema": {"type": "object"}, "example": operation.answer}},
        }
    }
    by_status: dict[int, list[str]] = {}
    for code in operation.refusals:
        by_status.setdefault(ERRORS[code][0], []).append(code)
    for status, codes in by_status.items():
        told = " or ".join(f"`{code}`: {ERRORS[code][1]}" for code in codes)
        responses[str(status)] = codes[0] if len(codes) == 1 else {"description": told, "content": _ERROR_CONTENT}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "description": operation.description,
        "operationId": operation.name,
        "tags": [operation.tag],
        "security": [{"token": []}],
        "x-scope": operation.scope,
        "parameters": [dict(parameter) for parameter in operation.parameters],
        "responses": responses,
        "x-codeSamples": [{"lang": "Shell", "label": "curl", "source": operation.curl()}],
    }
    if operation.body:
        content = {"schema": operation.body, "example": operation.sent}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


_ERROR_CONTENT = {"application/json": {"schema": "Error"}}
