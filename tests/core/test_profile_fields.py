"""Every declared profile field works in import, search, API, export, page, history and revert."""

import json

import pytest
from flask import Flask

from app.core.models.customers import PROFILE_FIELDS, ProfileField
from tests.support.clients import Api, Shell
from tests.support.html_client import HtmlClient

VALUES = {"email": "ana@example.com", "phone": "+57 310 123 4567"}
"""Values for the kinds of search that need a certain form."""


@pytest.mark.parametrize("field", PROFILE_FIELDS, ids=lambda field: field.name)
def test_declared_field_is_imported_found_exported_shown_and_reverted(
    app: Flask, api: Api, shell: Shell, editor: HtmlClient, field: ProfileField
) -> None:
    value = VALUES.get(field.search, "Ana Medellín")
    for header in (field.name, *field.synonyms[:1]):
        shell("customers", "import", shell.file("customers.csv", f"document_id,{header}\n7,{value}\n"))
        assert api.get("/api/v3/customers/7").json[field.name] == value
    if field.search != "none":
        found = api.client.get("/api/v3/customers", query_string={"q": value.split()[0]}, headers=api.headers)
        assert [customer["document_id"] for customer in found.json["customers"]] == ["7"]
    assert json.loads(shell("customers", "export", "--format", "jsonl").stdout)[field.name] == value
    assert value in editor.get("/customers/7").text
    emptied = api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": "7", field.name: None}]})
    assert value in editor.get(f"/changes/{emptied.headers['Change-Set']}").text
    api.call("POST", f"/api/v3/change-sets/{emptied.headers['Change-Set']}/revert")
    assert api.get("/api/v3/customers/7").json[field.name] == value
