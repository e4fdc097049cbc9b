"""The audit log: what administration records, its page with filters and export, and its retention."""

import csv
import io
import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.access import audit_log
from app.access.api_tokens import create_token
from app.access.audit_log import AuditEvent, prune_audit_log
from app.access.operators import create_operator, find_operator
from app.core.database import db, now
from app.pages.audit_texts import EVENTS
from bench.servers.gunicorn import ROOT
from tests.support.clients import Shell
from tests.support.html_client import PASSWORD, HtmlClient


def events(*names: str) -> list[AuditEvent]:
    """Return the entries of these events, or all, the oldest first."""
    db.session.rollback()
    found = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id))
    return [event for event in found if not names or event.event in names]


def test_sign_ins_and_failures_are_recorded(app: Flask) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    ada = HtmlClient(app.test_client(), "ada@example.com")
    ada.sign_in("wrong password", status=403)
    ada.sign_in()
    ada.post("/sign-out")
    failed, signed_in, signed_out = events("sign_in_failed", "sign_in", "sign_out")
    assert (failed.actor, failed.target, failed.address) == ("anonymous", "ada@example.com", "127.0.0.1")
    assert (signed_in.actor, signed_in.after) == ("operator ada@example.com", {"method": "password"})
    assert signed_out.actor == "operator ada@example.com"
    assert all(event.source == "page" for event in (failed, signed_in, signed_out))


def test_changes_of_operators_are_recorded_with_before_and_after(app: Flask, admin: HtmlClient, shell: Shell) -> None:
    admin.post("/operators", {"email": "new@shop.co", "role": "viewer"}, status=200)
    url = f"/operators/{find_operator('new@shop.co').id}"
    admin.post(f"{url}/role", {"role": "editor"})
    admin.post(f"{url}/role", {"role": "editor"})
    admin.post(f"{url}/invite", status=200)
    admin.post(f"{url}/deactivate")
    admin.post(f"{url}/activate")
    shell("operators", "set-password", "new@shop.co", "--password-stdin", stdin="another password\n")
    entries = [event for event in events() if event.target == "new@shop.co"]
    assert [event.event for event in entries] == [
        "operator_invited",
        "role_changed",
        "invitation_reissued",
        "operator_deactivated",
        "operator_reactivated",
        "password_changed",
    ]
    assert (entries[1].before, entries[1].after) == ({"role": "viewer"}, {"role": "editor"})
    assert entries[1].actor == f"operator {admin.email}"
    assert (entries[-1].source, entries[-1].actor[:13]) == ("command", "command line ")


def test_changes_of_tokens_are_recorded(admin: HtmlClient) -> None:
    admin.post("/tokens", {"name": "crm", "scopes": "segments:read", "expires": ""}, status=200)
    fields = {"guard_customers": "", "guard_percent": "20", "networks": "10.0.0.0/8", "expires": "unchanged"}
    admin.submit("/tokens/1", fields)
    admin.post("/tokens/1/rotate", {"overlap": "0"}, status=200)
    admin.post("/tokens/1/revoke")
    entries = [event for event in events() if event.target == "crm"]
    names = ["token_created", "secret_shown", "token_changed", "token_rotated", "secret_shown", "token_revoked"]
    assert [event.event for event in entries] == names
    assert entries[2].before is not None
    assert entries[2].after is not None
    assert (entries[2].before["guard_percent"], entries[2].after["guard_percent"]) == (None, 20)
    assert entries[2].after["networks"] == ["10.0.0.0/8"]


def test_changes_of_webhooks_are_recorded(admin: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(admin.client.application.config, "WEBHOOK_ALLOWED_HOSTS", {("127.0.0.1", 9)})
    url = "http://127.0.0.1:9/hook"
    admin.post("/webhooks", {"url": url}, status=200)
    for action in ("pause", "pause", "resume", "delete"):
        admin.post(f"/webhooks/1/{action}")
        if action == "resume":
            admin.post("/webhooks/1/rotate", {"overlap": "24"}, status=200)
    entries = [event.event for event in events() if event.target == url]
    assert entries == [
        "webhook_created",
        "secret_shown",
        "webhook_paused",
        "webhook_resumed",
        "webhook_rotated",
        "secret_shown",
        "webhook_deleted",
    ]


def test_exports_and_deleted_history_are_recorded(viewer: HtmlClient, shell: Shell) -> None:
    viewer.client.get("/customer-export?q=ana")
    shell("customers", "export", "--format", "jsonl")
    shell("changes", "prune", "--older-than", "90d")
    by_page, by_command, pruned = events("customers_exported", "history_pruned")
    assert (by_page.actor, by_page.after) == (f"operator {viewer.email}", {"format": "csv", "filtered": True})
    assert (by_command.source, by_command.after) == ("command", {"format": "jsonl", "filtered": False})
    assert pruned.after is not None
    assert pruned.after["change_sets"] == 0


def test_every_event_has_a_label() -> None:
    sources = [path.read_text() for path in (ROOT / "app").rglob("*.py")]
    recorded = {name for source in sources for name in re.findall(r'record_event\w*\(\s*(?:session, )?"(\w+)"', source)}
    assert recorded
    assert recorded <= EVENTS.keys()


def test_refused_change_leaves_no_entry(admin: HtmlClient) -> None:
    admin.post("/operators/1/role", {"role": "viewer"})
    assert "at least one admin" in admin.get("/operators").text
    assert events("role_changed") == []


def test_entries_cannot_be_updated(app: Flask) -> None:
    create_token("crm")
    with pytest.raises(DBAPIError, match="append-only"), db.engine.begin() as connection:
        connection.execute(text("UPDATE audit_events SET actor = 'x'"))


def test_page_filters_and_leads_to_older_entries(
    app: Flask, admin: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        create_token(f"token-{n}")
    monkeypatch.setattr("app.pages.audit_log.PAGE_SIZE", 3)
    assert "Error" not in admin.get("/audit-log").title
    page = admin.get("/audit-log?event=token_created&since=nonsense&unknown=1")
    assert "Token created" in page.text
    assert "token-4" in page.text
    assert "token-1" not in page.text
    assert "token-1" in admin.get(page.links["Older entries"]).text
    assert f"{admin.email} 127.0.0.1" in admin.get(f"/audit-log?actor={admin.email}").text
    assert "No matching entries" in admin.get("/audit-log?address=203.0.113.1").text
    assert "No matching entries" in admin.get("/audit-log?since=2999-01-01").text
    assert "No matching entries" in admin.get("/audit-log?until=2001-01-01").text
    today = now().date().isoformat()
    assert "token-4" in admin.get(f"/audit-log?event=token_created&since={today}&until={today}").text
    for odd in (
        "until=9999-12-31",
        "actor=%00%25_",
        "before=" + "9" * 40,
        "before=x",
        "event=x",
        "address=" + "x" * 900,
    ):
        admin.get(f"/audit-log?{odd}")


def test_export_is_csv_with_the_same_filter(app: Flask, admin: HtmlClient) -> None:
    create_token("=1+1")
    create_token("crm")
    response = admin.client.get("/audit-log.csv?event=token_created")
    assert response.headers["Content-Disposition"] == "attachment; filename=audit-log.csv"
    assert response.headers["Cache-Control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["target"] for row in rows] == ["crm", "'=1+1"]
    assert '"segments:read"' in rows[0]["after"]
    assert [event.actor for event in events("audit_log_exported")] == [f"operator {admin.email}"]


def test_only_admins_read_the_audit_log(editor: HtmlClient) -> None:
    editor.get("/audit-log", status=403)
    editor.get("/audit-log.csv", status=403)


def test_retention_deletes_old_entries_and_records_it(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "now", lambda: now() - timedelta(days=401))
    create_token("old")
    monkeypatch.undo()
    create_token("new")
    assert prune_audit_log(timedelta(days=400)) == 2
    assert prune_audit_log(timedelta(days=400)) == 0
    remaining = events()
    assert {event.target for event in remaining} == {"new", None}
    assert remaining[-1].after == {"deleted": 2}
