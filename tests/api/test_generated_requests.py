"""Requests generated from the OpenAPI document: none is a 5xx, and every response is documented."""

import pytest
from flask import Flask
from schemathesis import GenerationMode

from app.api import blueprint
from tests.support.generated_requests import FEW, Caller, fill, in_process, operations

NAMES = [name for name in blueprint.operations if name != "describe"]
"""The description itself is where they come from."""


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("name", NAMES)
def test_every_answer_is_as_described(app: Flask, name: str, mode: GenerationMode) -> None:
    caller = Caller(fill())
    (operation,) = (
        described for described in operations(in_process(app)) if described.definition.raw["operationId"] == name
    )
    caller.send_generated(operation, mode, FEW)


def test_examples_have_documented_responses(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.webhooks.resolve", lambda _target: ["192.0.2.1"])  # the host of the example
    caller, schema = Caller(fill()), in_process(app)
    caller.send_examples(schema)
    # The customer to be erased has been renamed by then, and a webhook is deleted once.
    missing = {(f"DELETE /api/v3/{path}", 404) for path in ("customers/{document_id}", "webhooks/{webhook_id}")}
    missing.add(("DELETE /api/v3/customers/{document_id}", 412))
    assert {status for label, status in caller.answered if (label, status) not in missing} == {200, 201, 202}
    assert {"replaceSegments", "mergeSegments", "gateway", "readSegments", "saveCustomers", "revertChangeSet"} <= {
        operation.definition.raw["operationId"]
        for operation in operations(schema)
        if (operation.label, 200) in caller.answered
    }


def test_linked_requests_have_documented_responses(app: Flask) -> None:
    caller = Caller(fill())
    revert = ("POST /api/v3/change-sets/{change_set_id}/revert", 200)
    for seed in range(10):  # the links to follow depend on the answers, which are not always the same
        if revert not in caller.answered:
            caller.follow_links(in_process(app), FEW, seed)
    assert revert in caller.answered
