"""The blueprint of the API: a view declares its scope, parameters, body, responses, errors and examples itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Blueprint as FlaskBlueprint
from flask_smorest import Blueprint
from marshmallow import Schema

from app.api.errors import TOKEN_ERRORS
from app.api.parameters import ParameterParser
from app.api.schemas import Error
from app.core.errors import DomainError, InvalidInput

View = TypeVar("View", bound=Callable[..., Any])

RATE_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
ERROR_HEADERS = {401: ("WWW-Authenticate",), 429: ("Retry-After", *RATE_HEADERS), 503: ("Retry-After",)}
IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "description": "The ETag of an earlier answer: 304 if it is still the same.",
    "schema": {"type": "string"},
}
DETAILS = {"VALIDATION_ERROR": [{"path": "limit", "message": "Must be a whole number from 1 to 1000."}]}
REPORT = {"changed": 100, "unchanged": 0, "notFound": [], "duplicates": [], "stale": [], "changeSet": None}


@dataclass(frozen=True)
class Body:
    """What a request body contains. The view reads it by a parser of its own, which this only describes."""

    schema: type[Schema]
    example: Any
    line_media_types: tuple[str, ...] = ()
    """Other media types, whose content is text in lines."""
    required: bool = True


@dataclass(frozen=True)
class Success:
    """A successful response: its schema, what it means, and an example."""

    schema: type[Schema] | None
    """None for text."""
    description: str
    example: Any
    status: int = 200
    headers: tuple[str, ...] = ()
    """Headers besides those that every response has."""
    links: Mapping[str, Any] = field(default_factory=dict)
    """Requests that can be made next, with values of this response."""
    media_type: str = "application/json"


def link(operation: str, **parameters: str) -> dict[str, Any]:
    """Return a link to another operation, with parameters taken from the request or the response."""
    return {"operationId": operation, "parameters": parameters}


@dataclass(frozen=True)
class Operation:
    """What the documentation says of a view, beside its docstring."""

    name: str
    scope: str | None
    responses: tuple[Success, ...]
    body: Body | None
    errors: tuple[type[DomainError], ...]
    example_query: str
    parsed: frozenset[str]
    """The locations that are read by a schema: `query`, `headers`."""

    def errors_by_status(self) -> dict[int, list[type[DomainError]]]:
        by_status: dict[int, list[type[DomainError]]] = {}
        for error in self.errors:
            by_status.setdefault(error.status, []).append(error)
        return by_status


class ApiBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest is untyped
    """flask-smorest's blueprint, with one decorator for all that an operation declares.

    Query and headers are read by their schemas. Bodies are read by `request_body`, which refuses more than webargs does
    and limits what a body may cost; responses are written by the views.
    """

    ARGUMENTS_PARSER = ParameterParser()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks.append(self._prepare_operation_doc)
        self.operations: dict[str, Operation] = {}

    def operation(  # noqa: PLR0913 - what the documentation says of an operation, all by name
        self,
        method: str,
        path: str,
        *,
        name: str,
        tag: str,
        scope: str | None,
        responses: tuple[Success, ...],
        query: type[Schema] | None = None,
        headers: type[Schema] | None = None,
        body: Body | None = None,
        errors: tuple[type[DomainError], ...] = (),
        example_query: str = "",
        path_parameters: tuple[Mapping[str, Any], ...] = (),
    ) -> Callable[[View], View]:
        """Register a view. It is called with `query` and `headers` if it declares their schemas.

        The first line of its docstring is the summary, the rest the description. `scope` is what its token needs, with
        ` or ` one of two; None opens it to all requests. `errors` come in addition to those that every operation with a
        token has.
        """

        def register(view: View) -> View:
            described: Any = view
            for location, schema in (("query", query), ("headers", headers)):
                if schema:
                    described = self.arguments(schema(), location=location, error_status_code=400)(described)
            described.scope = scope
            invalid = (InvalidInput,) if query or headers else ()
            all_errors = tuple(dict.fromkeys((*errors, *invalid, *(TOKEN_ERRORS if scope else ()))))
            parsed = frozenset(location for location, schema in (("query", query), ("headers", headers)) if schema)
            operation = Operation(name, scope, responses, body, all_errors, example_query, parsed)
            self.operations[name] = operation
            described._apidoc = {**getattr(described, "_apidoc", {}), "operation": operation}
            self.route(path, methods=[method], tags=[tag], parameters=list(path_parameters))(described)
            return view

        return register

    def public_page(self, path: str) -> Callable[[View], View]:
        """Register a view that is open to all requests and not part of the description."""

        def register(view: View) -> View:
            view.scope = None  # type: ignore[attr-defined]
            FlaskBlueprint.add_url_rule(self, path, view.__name__, view)
            return view

        return register

    def _prepare_operation_doc(self, doc: Any, doc_info: Any, *, app: Any, method: str, **_kwargs: Any) -> Any:
        operation: Operation | None = doc_info.get("operation")
        if operation is None:
            return doc
        limits = app.extensions["api-limits"]
        conditional = method == "get" and all(
            response.media_type == "application/json" for response in operation.responses
        )
        doc |= {
            "operationId": operation.name,
            "security": [{"token": []}] if operation.scope else [],
            "x-scope": operation.scope,
            "responses": _responses(operation, limits, conditional=conditional),
        }
        if conditional:
            doc.setdefault("parameters", []).append(IF_NONE_MATCH)
        if operation.body:
            json = {"schema": operation.body.schema, "example": operation.body.example}
            lines = {name: {"schema": {"type": "string"}} for name in operation.body.line_media_types}
            doc["requestBody"] = {"required": operation.body.required, "content": {"application/json": json, **lines}}
        return doc


def _headers(*names: str) -> dict[str, str]:
    """Return headers by their names, which apispec turns into references."""
    return {name: name for name in ("X-Request-Id", *names)}


def _responses(operation: Operation, limits: Mapping[str, Any], *, conditional: bool) -> dict[str, Any]:
    common = (("ETag",) if conditional else ()) + (RATE_HEADERS if operation.scope else ())
    responses: dict[str, Any] = {}
    for response in operation.responses:
        schema: Any = response.schema or {"type": "string"}
        description, other = response.description, responses.get(str(response.status))
        if other:  # two responses of one status
            schema = {"anyOf": [other["content"][response.media_type]["schema"], schema]}
            description = f"{other['description']} Or: {description}"
        responses[str(response.status)] = {
            "description": description,
            "headers": _headers(*response.headers, *common),
            "content": {response.media_type: {"schema": schema, "example": response.example}},
            "links": dict(response.links),
        }
    if conditional:
        responses["304"] = {"description": "The caller has it already, by If-None-Match.", "headers": _headers(*common)}
    for status, errors in operation.errors_by_status().items():
        responses[str(status)] = errors[0].code if len(errors) == 1 else error_response(errors, limits)
    return responses


def error_response(errors: list[type[DomainError]], limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of the responses of one status, with an example for each code."""
    examples = {}
    for error in errors:
        message = (error.example or error.explanation).format(**limits)
        value: dict[str, Any] = {
            "error": {"code": error.code, "message": message, "details": DETAILS.get(error.code, [])}
        }
        if error.code == "CHANGE_TOO_LARGE":
            value["report"] = REPORT
        examples[error.code] = {"summary": error.explanation.format(**limits), "value": value}
    return {
        "description": " ".join(f"`{code}`: {example['summary']}" for code, example in examples.items()),
        "headers": _headers(*ERROR_HEADERS.get(errors[0].status, RATE_HEADERS)),
        "content": {"application/json": {"schema": Error, "examples": examples}},
    }
