"""Each page with each role and method, for objects that exist and that do not: refused below its role, never a 500."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import MapAdapter, Rule
from werkzeug.test import TestResponse

from app.access.api_tokens import create_token
from app.access.operators import ROLES
from app.access.saved_views import create_view
from app.access.sessions import OperatorSession
from app.core.changes.replace_segments import replace_segments
from app.core.database import db
from app.jobs import reverts
from app.jobs.jobs import Job
from app.pages.auth import PUBLIC
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, set_segments
from tests.support.html_client import HtmlClient, signed_in
from tests.support.imports import ROLES as COLUMNS
from tests.support.imports import SPREADSHEET, preview, run_jobs, upload
from tests.support.webhooks import add_webhook

METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "POST")
IDS = ["1232-2323", "2"]
MISSING = {"document_id": "unknown/..", "type": "unknown", "value": ""}
ENDS = {"revoke", "delete", "deactivate", "end", "remove", "rename", "customer-erase", "customer-rename"}
"""Parts of URLs whose action leaves nothing for a later request: they come last."""

Values = dict[str, list[Any]]
"""By the name of an argument of a route: the values for which there is an object."""


@pytest.fixture
def values(app: Flask, editor: HtmlClient, admin: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> Values:
    """Create an object of each kind."""
    monkeypatch.setattr(reverts, "BATCH_SIZE", 1)
    monkeypatch.setitem(app.config, "APPROVAL_ABOVE", 1)
    add_customers(*IDS, name="Ana")
    set_segments(IDS[0], SILVER)
    replace_segments(dict.fromkeys(IDS, GOLD), TESTER)
    create_token("crm")
    create_view("Gold", "segment=membership:GOLD")
    add_webhook("https://hooks.example.com/")
    admin.post("/webhooks/1/test")
    preview(editor, upload(editor, SPREADSHEET + ";Eva;;;\n"), COLUMNS, create=False)
    clear = [
        ("base", "[]"),
        ("version", ""),
        ("operation", "clear"),
        ("document_id", "1232-2323"),
        ("document_id", "2"),
    ]
    bulk_edit = editor.post("/bulk-edits", clear).headers["Location"]
    editor.post("/changes/2/undo")
    run_jobs()
    editor.post(bulk_edit, {"action": "apply"})
    jobs = list(db.session.scalars(select(Job.id).order_by(Job.id)))
    sessions = list(db.session.scalars(select(OperatorSession.id).order_by(OperatorSession.id)))
    db.session.rollback()
    assert len(jobs) == 3
    return {
        "document_id": IDS[:1],
        "type": ["membership"],
        "value": ["GOLD"],
        "change_set_id": [1, 2],
        "session_id": sessions[:1],
        **dict.fromkeys(("job_id", "import_id", "bulk_edit_id"), jobs),
    }


def test_each_page_answers_by_role(app: Flask, values: Values) -> None:
    visitors: dict[str | None, HtmlClient] = {None: HtmlClient(app.test_client())}
    visitors |= {role: signed_in(app.test_client(), role, f"{role}-2@example.com") for role in ROLES}
    for url in _urls(app, values):
        for method in METHODS:
            required = _required_role(app, url, method)
            for role, visitor in visitors.items() if required else [("admin", visitors["admin"])]:
                response = visitor.client.open(url, method=method, data={"csrf_token": visitor.token})
                assert _is_right(response, role, required), (
                    method,
                    url,
                    role,
                    response.status_code,
                    response.headers.get("Location"),
                )
                if url == "/sign-out" and role and response.status_code == 302:
                    visitor.sign_in()


def _urls(app: Flask, values: Values) -> list[str]:
    """Return the URLs of all pages for each object, and for one that does not exist."""
    adapter = app.url_map.bind("")
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("pages.")]
    urls = {url for rule in rules for url in _urls_of(adapter, rule, values)}
    return sorted(urls, key=lambda url: (not ENDS.isdisjoint(url.split("/")), url))


def _urls_of(adapter: MapAdapter, rule: Rule, values: Values) -> Iterator[str]:
    method = next(iter(rule.methods or ()))
    actions = [converter.items for converter in rule._converters.values() if hasattr(converter, "items")] or [[None]]
    for action in actions[0]:
        for number in range(1 + max((len(values.get(name, [1])) for name in rule.arguments), default=0)):
            known = {name: values.get(name, [1]) for name in rule.arguments}
            arguments = {
                name: found[number] if number < len(found) else MISSING.get(name, 10**17)
                for name, found in known.items()
            }
            yield adapter.build(rule.endpoint, {**arguments, "action": action}, method=method)


def _required_role(app: Flask, url: str, method: str) -> str | None:
    """Return the role that a page requires; None for a method that it does not have."""
    path = url.partition("?")[0]
    try:
        endpoint, _ = app.url_map.bind("").match(path, method)
    except MethodNotAllowed:
        return None
    role: str = vars(app.view_functions[endpoint])["role"]
    return role


def _is_right(response: TestResponse, role: str | None, required: str | None) -> bool:
    if required is None:
        return response.status_code == 405
    if required == PUBLIC:
        return response.status_code < 500
    if role is None:
        return response.status_code == 302 and response.headers["Location"].startswith("/sign-in")
    if ROLES.index(role) < ROLES.index(required):
        return response.status_code == 403
    return response.status_code < 500 and response.status_code != 403
