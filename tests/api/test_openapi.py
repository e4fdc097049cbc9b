"""/api/v3/openapi.json and /api/docs: what stands there is true, and nothing is missing."""

import json
import re
import shlex
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from app.api.error_codes import ERRORS
from app.api.operation import Operation
from app.api.operations import OPERATIONS
from tests.support.clients import Api
from tests.support.customers import GOLD, add_customers, set_segments

UNDESCRIBED = ("api.docs", "api.docs_asset")
"""The page that shows the description, and its files."""


@pytest.fixture
def specification(app: Flask) -> Any:
    answer = app.test_client().get("/api/v3/openapi.json")
    assert answer.status_code == 200, "it is open to everybody"
    return answer.json


def test_every_route_stands_there_with_its_scope_and_nothing_else(app: Flask, specification: Any) -> None:
    routes = {
        (
            re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule),
            method.lower(),
            vars(app.view_functions[rule.endpoint])["scope"],
        )
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api") and rule.endpoint not in UNDESCRIBED
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {
        (path, method, operation["x-scope"])
        for path, operations in specification["paths"].items()
        for method, operation in operations.items()
    }
    assert described == routes


def test_it_is_made_of_the_schemas_that_validate(specification: Any) -> None:
    assert specification["openapi"].startswith("3.1")
    body = specification["paths"]["/api/v3/customers/segments"]["post"]["requestBody"]["content"]["application/json"]
    schemas = specification["components"]["schemas"]
    customers = schemas[body["schema"]["$ref"].rpartition("/")[2]]["properties"]["customers"]
    assert customers["minItems"] == 1
    row = schemas[customers["items"]["$ref"].rpartition("/")[2]]
    assert set(row["required"]) == {"document_id", "segments"}
    assert set(row["properties"]["segments"]["type"]) == {"array", "null"}


def test_every_refusal_has_its_code_there(specification: Any) -> None:
    assert specification["components"]["responses"].keys() == ERRORS.keys()


def test_the_limits_are_those_of_the_service(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "MAX_CUSTOMERS_PER_REQUEST", 1234)
    monkeypatch.setitem(app.config, "MAX_BODY_BYTES", 56789)
    monkeypatch.setitem(app.config, "RATE_LIMIT", "600 per 5 minutes")
    specification: Any = app.test_client().get("/api/v3/openapi.json").json
    told = specification["info"]["description"]
    assert "1,234 customers and 56,789 bytes" in told
    assert "1 to 1,000 elements" in told
    assert "A token may call 600 times per 5 minutes." in told
    limits = {"customers": 1234, "bytes": 56789, "page": 1000, "rate": "600 times per 5 minutes"}
    assert specification["info"]["x-limits"] == limits
    schemas = specification["components"]["schemas"]
    for name in ("ReplaceSegments", "PatchSegments", "UpsertCustomers"):
        assert schemas[name]["properties"]["customers"]["maxItems"] == 1234
    assert "1234 customers, or 56789 bytes" in specification["components"]["responses"]["TOO_LARGE"]["description"]
    assert "600 times" in json.dumps(specification["components"]["responses"]["RATE_LIMITED"])


def test_every_answer_is_described_with_its_headers_and_an_example(specification: Any) -> None:
    for operations in specification["paths"].values():
        for operation in operations.values():
            (sample,) = operation["x-codeSamples"]
            assert sample["source"].startswith("curl ")
            assert sample["source"] in operation["description"], "which is all that the page shows"
            assert not operation["x-scope"] or f"`{operation['x-scope']}`" in operation["description"]
            for status, answer in operation["responses"].items():
                described = resolved(specification, answer)
                assert described["description"], (operation["operationId"], status)
                assert "X-Request-Id" in described["headers"]
                if status == "304":
                    continue
                content = described["content"]["application/json"]
                assert content["schema"]["$ref"].startswith("#/components/schemas/")
                assert "example" in content or content["examples"]


def test_links_lead_to_operations(specification: Any) -> None:
    names = {operation["operationId"] for path in specification["paths"].values() for operation in path.values()}
    links = [
        link["operationId"]
        for operations in specification["paths"].values()
        for operation in operations.values()
        for link in operation["responses"]["200"]["links"].values()
    ]
    assert {"readChangeSet", "revertChangeSet", "readSegments", "listChanges"} <= set(links) <= names


def resolved(specification: Any, answer: Any) -> Any:
    """What a reference to a component stands for."""
    if "$ref" not in answer:
        return answer
    return specification["components"]["responses"][answer["$ref"].rpartition("/")[2]]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_its_curl_works_and_answers_like_the_example(app: Flask, api: Api, operation: Operation) -> None:
    add_customers("1232-2323", name="Ana Gómez", email="ana@example.com")
    for n in range(42):
        set_segments("1232-2323", [*GOLD, {"type": "n", "value": str(n)}] if n < 41 else GOLD)
    curl = shlex.split(operation.curl())
    url = urlsplit(next(part for part in curl if part.startswith("https://")))
    body = json.loads(curl[curl.index("-d") + 1]) if "-d" in curl else None
    target = f"{url.path}?{url.query}" if url.query else url.path
    answer = api.call(curl[curl.index("-X") + 1], target, **({"json": body} if body else {}))
    assert shape(answer.json) == shape(operation.answer)
    assert operation.answered().validate(operation.answer) == {}


def shape(value: Any) -> Any:
    """The names in an answer, without what is different each time."""
    if isinstance(value, dict) and "openapi" in value:
        return value.keys()
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(inner) for inner in value[:1]] if isinstance(value, list) else None


def test_the_page_loads_nothing_from_elsewhere_and_nothing_inline(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/api/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 4
    for url in loaded:
        assert client.get(url).status_code == 200, url
    assert not re.search(r"<script(?![^>]*src=)|<style| style=", page.text)
    assert "'unsafe-inline'" not in page.headers["Content-Security-Policy"]
