"""What the documentation tells of one operation of the API, and of the parameters that several have in common."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from marshmallow import Schema

from app.api.error_codes import QUERY
from app.core.limits import MAX_PAGE_SIZE

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
LIMIT = query("limit", "How many at most.", type="integer", minimum=1, maximum=MAX_PAGE_SIZE, default=MAX_PAGE_SIZE)
EXTRAS = (
    DRY_RUN,
    query("report", "Adds the report: who was changed, unchanged, not found, repeated or stale.", **FLAG),
    query("as_of", "Leaves customers alone that were changed after this moment.", format="date-time"),
    header("Idempotency-Key", "Makes the request safe to repeat for 24 hours.", minLength=1, maxLength=255),
    header("Guard", "`override` lets a change through that the token's guard refuses.", enum=["override"]),
)


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


def link(operation: str, **parameters: str) -> dict[str, Any]:
    return {"operationId": operation, "parameters": parameters}
