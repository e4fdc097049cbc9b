"""/api/v3/openapi.json and /api/docs: what they say is true, and nothing is missing."""

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from marshmallow import RAISE

from app import create_app
from app.access.api_tokens import SCOPES, create_token
from app.api import blueprint
from app.core.models.segment_alerts import Watched, save_alerts
from tests.support.api_jobs import add_applying_job
from tests.support.clients import Api
from tests.support.customers import GOLD, add_customers, set_segments
from tests.support.webhooks import add_webhook

UNDESCRIBED = ("api.docs", "api.docs_asset")
"""The page that shows the description, and its files."""


@pytest.fixture
def specification(app: Flask) -> Any:
    response = app.test_client().get("/api/v3/openapi.json")
    assert response.status_code == 200, "it needs no token"
    return response.json


def operations(specification: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in specification["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def test_every_route_is_described_with_its_scope_and_nothing_else(app: Flask, specification: Any) -> None:
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
    described = {(path, method, operation["x-scope"]) for path, method, operation in operations(specification)}
    assert described == routes


def test_request_bodies_are_described_by_the_validating_schemas(specification: Any) -> None:
    assert specification["openapi"].startswith("3.1")
    body = specification["paths"]["/api/v3/customers/segments"]["post"]["requestBody"]["content"]["application/json"]
    schemas = specification["components"]["schemas"]
    customers = schemas[body["schema"]["$ref"].rpartition("/")[2]]["properties"]["customers"]
    assert customers["minItems"] == 1
    row = schemas[customers["items"]["$ref"].rpartition("/")[2]]
    assert set(row["required"]) == {"document_id", "segments"}
    assert set(row["properties"]["segments"]["type"]) == {"array", "null"}


def test_every_error_of_an_operation_is_described(specification: Any) -> None:
    for _path, _method, described in operations(specification):
        operation = blueprint.operations[described["operationId"]]
        for error in operation.errors:
            response = resolved(specification, described["responses"][str(error.status)])
            assert error.code in response["content"]["application/json"]["examples"]


def test_the_limits_are_those_of_the_service() -> None:
    environ = {"MAX_CUSTOMERS_PER_REQUEST": "1234", "MAX_BODY_BYTES": "56789", "RATE_LIMIT": "600 per 5 minutes"}
    app = create_app(
        {"DATABASE_URL": "sqlite://", "SECRET_KEY": "only-for-tests-0123456789", "LOG_FORMAT": "json", **environ}
    )
    specification: Any = app.test_client().get("/api/v3/openapi.json").json
    description = specification["info"]["description"]
    assert "1,234 customers and 56,789 bytes" in description
    assert "1 to 1,000 elements" in description
    assert "A token may call 600 times per 5 minutes." in description
    limits = {"customers": 1234, "bytes": 56789, "page": 1000, "rate": "600 times per 5 minutes"}
    assert specification["info"]["x-limits"] == limits
    schemas = specification["components"]["schemas"]
    for name in ("ReplaceSegments", "PatchSegments", "UpsertCustomers"):
        assert schemas[name]["properties"]["customers"]["maxItems"] == 1234
    assert "1234 customers, or 56789 bytes" in specification["components"]["responses"]["TOO_LARGE"]["description"]
    assert "600 times" in json.dumps(specification["components"]["responses"]["RATE_LIMITED"])


def test_every_answer_is_described_with_its_headers_and_an_example(specification: Any) -> None:
    for _path, _method, operation in operations(specification):
        assert operation["summary"]
        (sample,) = operation["x-codeSamples"]
        assert sample["source"].startswith("curl ")
        assert sample["source"] in operation["description"], "which is all that the page shows"
        assert not operation["x-scope"] or f"`{operation['x-scope']}`" in operation["description"]
        for status, response in operation["responses"].items():
            described = resolved(specification, response)
            assert described["description"], (operation["operationId"], status)
            assert "X-Request-Id" in described["headers"]
            if status == "304":
                continue
            for media_type, content in described["content"].items():
                if media_type == "text/csv":
                    assert content["schema"] == {"type": "string"}
                    continue
                schema = content["schema"]  # several, where a status has several answers
                for named in schema.get("anyOf", [schema]):
                    assert named["$ref"].startswith("#/components/schemas/")
                assert "example" in content or content["examples"]


def test_names_its_server_licence_tags_and_error_codes(specification: Any) -> None:
    assert specification["servers"] == [{"url": "/", "description": "This service."}]
    assert specification["info"]["license"]["name"] == "MIT"
    tags = [tag["name"] for tag in specification["tags"]]
    assert {tag for *_, operation in operations(specification) for tag in operation["tags"]} == set(tags)
    codes = specification["components"]["schemas"]["ErrorBody"]["properties"]["code"]["enum"]
    errors = {error.code for operation in blueprint.operations.values() for error in operation.errors}
    assert {"METHOD_NOT_ALLOWED", *errors} == set(codes)


def test_answers_may_gain_properties(specification: Any) -> None:
    for schema in specification["components"]["schemas"].values():
        assert schema.get("additionalProperties") is not False


def test_links_lead_to_operations(specification: Any) -> None:
    names = {operation["operationId"] for _path, _method, operation in operations(specification)}
    links = [
        link["operationId"]
        for _path, _method, operation in operations(specification)
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for link in response["links"].values()
    ]
    assert {"readChangeSet", "revertChangeSet", "readSegments", "listChanges"} <= set(links) <= names


def resolved(specification: Any, response: Any) -> Any:
    """Return what a reference to a component stands for."""
    if "$ref" not in response:
        return response
    return specification["components"]["responses"][response["$ref"].rpartition("/")[2]]


@pytest.mark.parametrize("name", blueprint.operations)
def test_its_curl_works_and_answers_like_the_example(
    app: Flask, specification: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.api.webhooks.resolve", lambda _target: ["192.0.2.1"])  # the host of the example
    add_webhook("https://example.com/hook", ["membership"], ["change_set"])
    save_alerts(Watched("membership", "GOLD"), {"below": 1000})
    api = Api(app.test_client(), create_token("all", SCOPES))
    add_customers("1232-2323", name="Ana Gómez", email="ana@example.com")
    for n in range(42):
        set_segments("1232-2323", [*GOLD, {"type": "n", "value": str(n)}] if n < 41 else GOLD)
    (described,) = (found for *_, found in operations(specification) if found["operationId"] == name)
    add_applying_job(7)
    curl = shlex.split(described["x-codeSamples"][0]["source"])
    url = urlsplit(next(part for part in curl if part.startswith("https://")))
    body = json.loads(curl[curl.index("-d") + 1]) if "-d" in curl else None
    target = f"{url.path}?{url.query}" if url.query else url.path
    result = blueprint.operations[name].responses[0]
    sent = {"json": body} if body else {"headers": {"Content-Type": "text/plain"}}
    response = api.call(curl[curl.index("-X") + 1], target, status=result.status, **sent)
    if result.schema is None:
        assert response.text.splitlines()[0] == result.example.splitlines()[0]
        return
    assert shape(json.loads(response.text.splitlines()[0])) == shape(result.example), "JSON Lines: each line"
    assert result.schema(unknown=RAISE).validate(result.example) == {}


def shape(value: Any) -> Any:
    """Return the names in an answer, without what is different each time."""
    if isinstance(value, dict) and "openapi" in value:
        return value.keys() >= {"openapi", "info", "paths", "components"}
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
