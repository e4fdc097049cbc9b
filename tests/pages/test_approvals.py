"""/approvals: held changes of tokens and of operators, each decided by someone who did not request them."""

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from app.access.audit_log import AuditEvent
from app.core.changes.replace_segments import replace_segments
from app.core.database import db
from app.core.models.change_sets import Actor
from app.jobs import held_changes
from app.jobs.jobs import NotReady
from tests.support.clients import Shell, api_with
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient, signed_in
from tests.support.imports import preview, run_job, upload

IDS = list("abcd")


@pytest.fixture(autouse=True)
def approval_above(app: Flask) -> Iterator[None]:
    """Changes of more than two customers need a second operator; four customers have GOLD."""
    add_customers(*IDS)
    replace_segments(dict.fromkeys(IDS, GOLD), TESTER)
    app.config["APPROVAL_ABOVE"] = 2
    yield
    app.config["APPROVAL_ABOVE"] = None


@pytest.fixture
def other(app: Flask) -> HtmlClient:
    return signed_in(app.test_client(), "editor", "second@example.com")


def prepare_clear(editor: HtmlClient, ids: list[str]) -> str:
    form = [("base", "[]"), ("version", ""), ("operation", "clear"), *(("document_id", id_) for id_ in ids)]
    url = str(editor.post("/bulk-edits", form).headers["Location"])
    assert run_job()
    return url


def request_change(editor: HtmlClient, url: str) -> str:
    """Apply a prepared change that has to be approved; return the URL where it is."""
    editor.post(url, {"action": "apply"})
    assert not run_job()
    page = editor.get(url)
    assert "Waiting for approval by someone else" in page.text
    return page.links["Preview and approval"]


def approve(operator: HtmlClient, url: str, status: int = 302) -> None:
    operator.post(url, {"action": "approve"}, status=status)


def test_bulk_edit_above_the_size_needs_another_operator(editor: HtmlClient, other: HtmlClient) -> None:
    url = request_change(editor, prepare_clear(editor, IDS))
    page = editor.get(url)
    assert "You requested this change: someone else has to approve it." in page.text
    assert "Approve for" not in page.text
    approve(editor, url, status=403)
    assert not run_job()
    assert "Approve for 4 customers" in other.get(url).text
    approve(other, url)
    assert run_job()
    assert all_segments() == {id_: [] for id_ in IDS}


def test_up_to_the_size_it_is_applied_at_once(editor: HtmlClient) -> None:
    url = prepare_clear(editor, ["a", "b"])
    editor.post(url, {"action": "apply"})
    assert run_job()
    assert all_segments() == {"a": [], "b": [], "c": GOLD, "d": GOLD}


def test_who_prepared_it_cannot_approve_what_another_requested(editor: HtmlClient, other: HtmlClient) -> None:
    url = request_change(other, prepare_clear(editor, IDS))
    approve(editor, url, status=403)
    approve(other, url, status=403)
    assert all_segments()["a"] == GOLD


def test_import_above_the_size_needs_another_operator(editor: HtmlClient, other: HtmlClient) -> None:
    url = upload(editor, "document_id;membership\na;SILVER\nb;SILVER\nc;SILVER\n")
    preview(editor, url, ["document_id", "segment:membership"])
    approval = request_change(editor, url)
    set_segments("c", [])
    approve(other, approval)
    assert run_job()
    assert all_segments() == {"a": SILVER, "b": SILVER, "c": [], "d": GOLD}
    assert "Applied by editor@example.com" in editor.get(url).text


def test_undo_above_the_size_needs_another_operator(editor: HtmlClient, other: HtmlClient) -> None:
    page = editor.get("/changes/1/undo")
    assert "Preview undo" in page.text
    url = str(editor.post("/changes/1/undo").headers["Location"])
    assert run_job()
    approval = request_change(editor, url)
    approve(other, approval)
    assert run_job()
    assert all_segments() == {id_: [] for id_ in IDS}


def test_request_is_withdrawn_and_requested_again(editor: HtmlClient, other: HtmlClient) -> None:
    url = prepare_clear(editor, IDS)
    approval = request_change(editor, url)
    editor.post(approval, {"action": "withdraw"})
    assert "nothing has changed yet" in editor.get(url).text
    approve(other, approval, status=404)
    approve(other, request_change(editor, url))
    assert run_job()
    assert all_segments()["a"] == []


def test_another_operator_cannot_withdraw(editor: HtmlClient, other: HtmlClient) -> None:
    url = request_change(editor, prepare_clear(editor, IDS))
    other.post(url, {"action": "withdraw"}, status=400)
    assert "Approve for 4 customers" in other.get(url).text


def test_of_two_operators_who_approve_at_the_same_moment_one_decides(
    app: Flask, editor: HtmlClient, other: HtmlClient
) -> None:
    url = request_change(editor, prepare_clear(editor, IDS))
    job_id, outcomes, start = int(url.rsplit("/", 1)[-1]), [], threading.Barrier(2)

    def decide(name: str) -> None:
        with app.app_context():
            start.wait()
            try:
                held_changes.approve(job_id, Actor(name, "page"))
                outcomes.append("approved")
            except NotReady:
                outcomes.append("late")

    threads = [threading.Thread(target=decide, args=(name,)) for name in ("second@example.com", "third@example.com")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["approved", "late"]
    assert run_job()
    assert all_segments() == {id_: [] for id_ in IDS}
    approvals = select(AuditEvent.target).where(AuditEvent.event == "change_approved").order_by(AuditEvent.id)
    assert list(db.session.scalars(approvals)) == [f"job {job_id}"]


def test_rejected_edit_is_not_applied_and_says_why(editor: HtmlClient, other: HtmlClient) -> None:
    edit = prepare_clear(editor, IDS)
    approval = request_change(editor, edit)
    other.post(approval, {"action": "reject", "reason": "Wrong week."})
    assert not run_job()
    assert "Rejected by an operator: Wrong week." in editor.get(edit).text
    assert all_segments()["a"] == GOLD


def test_viewer_cannot_decide(editor: HtmlClient, viewer: HtmlClient) -> None:
    url = request_change(editor, prepare_clear(editor, IDS))
    assert "Approve for" not in viewer.get(url).text
    approve(viewer, url, status=403)


def test_overview_and_changes_lead_to_what_waits(editor: HtmlClient) -> None:
    assert "waits for approval" not in editor.get("/").text
    request_change(editor, prepare_clear(editor, IDS))
    for path in ("/", "/changes"):
        assert editor.get(path).links["1 change waits for approval"] == "/approvals"
    page = editor.get("/approvals")
    assert "4 customers lose segments" in page.text
    assert "Remove all segments" in page.links


def test_losses_come_first(app: Flask, shell: Shell, editor: HtmlClient) -> None:
    options = ("--guard-customers", "0", "--guard-action", "hold")
    api = api_with(app, shell("tokens", "create", "crm", *options).stdout.splitlines()[-1])
    sent = [{"document_id": "a", "segments": SILVER}, {"document_id": "d", "segments": []}]
    url = f"/approvals/{api.replace(sent, status=202).json['job']}"  # type: ignore[index]
    request_change(editor, prepare_clear(editor, IDS))
    page = editor.get("/approvals")
    assert page.text.index("4 customers lose segments") < page.text.index("2 customers will change")
    page = editor.get(url)
    assert "1 of 2 customers would lose all their segments. The token allows 0 customers." in page.text
    assert page.text.index("GOLD") < page.text.index("SILVER")


def test_customer_who_is_erased_leaves_the_held_change(app: Flask, shell: Shell, editor: HtmlClient) -> None:
    options = ("--guard-customers", "0", "--guard-action", "hold")
    api = api_with(app, shell("tokens", "create", "crm", *options).stdout.splitlines()[-1])
    url = f"/approvals/{api.replace([{'document_id': id_, 'segments': []} for id_ in IDS], status=202).json['job']}"  # type: ignore[index]
    shell("customers", "erase", "c")
    assert "c" not in editor.get(url).links
    approve(editor, url)
    assert run_job()
    assert all_segments() == {"a": [], "b": [], "d": []}


def test_admin_sets_the_guard_on_the_page(admin: HtmlClient) -> None:
    form = {"name": "crm", "scopes": "segments:write", "expires": "365", "guard_percent": "20", "guard_holds": "y"}
    admin.post("/tokens", {**form, "guard_floor": "5", "guard_warn_percent": "10"}, status=200)
    page = admin.get("/tokens")
    assert "Holds for approval" in page.text
    limits = admin.get(page.links["crm"])
    assert (limits.field("guard_floor"), limits.field("guard_warn_percent")) == ("5", "10")
    admin.post(page.links["crm"], {"expires": "unchanged", "guard_percent": "20"})
    assert "Holds for approval" not in admin.get("/tokens").text


def test_reason_is_in_a_form_that_cannot_approve(editor: HtmlClient, other: HtmlClient) -> None:
    html = other.get(request_change(editor, prepare_clear(editor, IDS))).html
    (form,) = [form for form in html.split("<form")[1:] if 'name="reason"' in form.split("</form>")[0]]
    assert "approve" not in form.split("</form>")[0]


def test_scheduled_change_above_the_size_is_approved_before_its_moment(editor: HtmlClient, other: HtmlClient) -> None:
    url = prepare_clear(editor, IDS)
    job_id = url.rsplit("/", 1)[-1]
    form = {"action": "save", "time_zone": "UTC", "apply_at": "2999-01-01T08:00", "revert_at": ""}
    editor.post(f"/jobs/{job_id}/schedule", form)
    approval = editor.get(url).links["Preview and approval"]
    assert "Jan 2999" in other.get(approval).text
    approve(editor, approval, status=403)
    approve(other, approval)
    assert not run_job()
    assert all_segments()["a"] == GOLD
    page = editor.get(url).text
    assert "Waiting for approval" not in page
    assert "Will be applied:" in page
