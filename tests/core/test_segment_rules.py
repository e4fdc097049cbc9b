"""Rules of segment types: who obeys them, and that others are not concerned."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.access.api_tokens import create_token
from app.core.database import db
from app.core.models.segment_rules import Policy, SegmentRule, load_rules, save_rule
from app.core.models.segments import SegmentPair
from tests.support.api_jobs import finish_job
from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import apply, preview, run_job, upload

WRONG = [{"type": "membership", "value": "GOLDD"}]
BOTH = [*GOLD, *SILVER]
SEGMENTS_URL = "/api/v3/customers/segments"
PATCH: Any = {"method": "PATCH", "url": SEGMENTS_URL}


@pytest.fixture
def rule(app: Flask) -> Callable[..., None]:
    def save(policy: Policy = "closed", *, multiple: bool = False) -> None:
        values = ["GOLD", "SILVER"] if policy != "free" else []
        save_rule(
            SegmentRule(type="membership", description="", multiple=multiple, policy=policy, allowed_values=values)
        )

    return save


@pytest.fixture
def strict(app: Flask) -> Api:
    return api_with(app, create_token("strict", strict=True))


def edit(editor: HtmlClient, segments: list[dict[str, str]], status: int, **form: str) -> Any:
    page = editor.get("/customers/a")
    fields: list[tuple[str, str]] = [("action", "save"), *form.items()]
    fields += [(name, page.field(name)) for name in ("base", "version")]
    for segment in segments:
        fields += [("type", segment["type"]), ("value", segment["value"]), ("original_index", "")]
    return editor.post("/customers/a", fields, status=status)


# Rules


def test_rules_say_what_is_refused_and_what_is_unlisted(rule: Callable[..., None]) -> None:
    rule("closed")
    rules = load_rules()
    assert rules.is_refused(SegmentPair("membership", "GOLDD"))
    assert not rules.is_refused(SegmentPair("membership", "GOLD"))
    assert not rules.is_refused(SegmentPair("Membership", "GOLDD"))
    assert not rules.is_unlisted(SegmentPair("membership", "GOLDD"))
    assert rules.with_two_values(BOTH) == {"membership"}
    assert rules.with_two_values([*GOLD, *GOLD]) == set()
    rule("warn", multiple=True)
    assert load_rules().is_unlisted(SegmentPair("membership", "GOLDD"))
    assert load_rules().with_two_values(BOTH) == set()


# The API


def test_other_tokens_send_what_they_like(api: Api, rule: Callable[..., None]) -> None:
    add_customers("a")
    rule()
    for segments in (WRONG, BOTH):
        assert api.updated([{"document_id": "a", "segments": segments}]) == ["a"]
        assert all_segments() == {"a": segments}


def test_strict_token_receives_the_segments_that_break_a_rule(strict: Api, rule: Callable[..., None]) -> None:
    add_customers("a", "b")
    rule()
    customers = [{"document_id": "a", "segments": [*GOLD, *WRONG]}, {"document_id": "b", "segments": WRONG}]
    response = strict.replace(customers, status=400, code="VALIDATION_ERROR")
    assert response.json is not None
    assert [detail["path"] for detail in response.json["error"]["details"]] == [
        "customers[0].segments[1].value",
        "customers[0].segments",
        "customers[1].segments[0].value",
    ]
    assert all_segments() == {"a": [], "b": []}
    assert strict.updated([{"document_id": "a", "segments": GOLD}]) == ["a"]
    rule("warn", multiple=True)
    assert strict.updated([{"document_id": "a", "segments": [*GOLD, *WRONG]}]) == ["a"]


def test_strict_token_adds_no_second_value(strict: Api, rule: Callable[..., None]) -> None:
    add_customers("a", "b")
    set_segments("a", GOLD)
    rule()
    both = [{"document_id": id_, "add": SILVER, "remove": []} for id_ in "ab"]
    strict.call(**PATCH, json={"customers": both}, status=400, code="VALIDATION_ERROR")
    assert all_segments() == {"a": GOLD, "b": []}
    exchange = [{"document_id": "a", "add": SILVER, "remove": GOLD}, {"document_id": "b", "add": SILVER, "remove": []}]
    strict.call(**PATCH, json={"customers": exchange})
    assert all_segments() == {"a": SILVER, "b": SILVER}
    url = "/api/v3/segments/membership/GOLD/members"
    strict.call("PUT", url, json={"document_ids": ["a"]}, status=400, code="VALIDATION_ERROR")
    strict.call("PUT", url.replace("GOLD", "GOLDD"), json={"document_ids": []}, status=400, code="VALIDATION_ERROR")
    assert all_segments() == {"a": SILVER, "b": SILVER}


def test_strict_token_puts_a_customer_whose_old_segments_break_a_rule(strict: Api, rule: Callable[..., None]) -> None:
    add_customers("a")
    set_segments("a", WRONG)
    rule()
    interest = [{"type": "interest", "value": "WINE"}]
    strict.call("PUT", "/api/v3/customers/a", json={"name": "Ana", "segments": [*WRONG, *interest]})
    assert all_segments() == {"a": [*WRONG, *interest]}
    for segments in ([{"type": "membership", "value": "GOLDDD"}], [*WRONG, *GOLD]):
        body = {"name": "Ana", "segments": segments}
        strict.call("PUT", "/api/v3/customers/a", json=body, status=400, code="VALIDATION_ERROR")


def test_job_of_a_strict_token_rejects_rows(strict: Api, rule: Callable[..., None]) -> None:
    add_customers("a", "b")
    rule()
    lines = "\n".join(json.dumps({"document_id": id_, "segments": s}) for id_, s in (("a", GOLD), ("b", WRONG)))
    options: Any = {"data": lines, "content_type": "application/x-ndjson", "status": 202}
    job = finish_job(strict, strict.call("POST", "/api/v3/jobs?action=replace", **options))
    assert job["report"]["rejected"] == 1
    assert all_segments() == {"a": GOLD, "b": []}
    job = finish_job(strict, strict.call("POST", "/api/v3/jobs?action=merge", **options))
    assert job["report"]["rejected"] == 2, "a second value cannot be added"


def test_rename_by_a_strict_token(strict: Api, rule: Callable[..., None]) -> None:
    add_customers("a", "b")
    old = [{"type": "level", "value": "Gold"}]
    set_segments("a", old)
    set_segments("b", [*old, *SILVER])
    rule()
    url = "/api/v3/segments/level/Gold/rename"
    strict.call("POST", url, json=WRONG[0], status=400, code="VALIDATION_ERROR")
    finish_job(strict, strict.call("POST", url, json=GOLD[0], status=202))
    assert all_segments() == {"a": GOLD, "b": [*old, *SILVER]}


# Pages


def test_editor_refuses_what_a_closed_list_does_not_have(editor: HtmlClient, rule: Callable[..., None]) -> None:
    add_customers("a")
    rule()
    assert "Choose one of: GOLD, SILVER" in edit(editor, WRONG, 422).text
    assert "Choose one of" in edit(editor, WRONG, 422, confirmed="yes").text
    assert "only one value" in edit(editor, BOTH, 422).text
    edit(editor, GOLD, 302)
    assert all_segments() == {"a": GOLD}


def test_editor_warns_and_saves_when_confirmed(editor: HtmlClient, rule: Callable[..., None]) -> None:
    add_customers("a")
    rule("warn")
    assert "isn't in the list" in edit(editor, WRONG, 422).text
    edit(editor, WRONG, 302, confirmed="yes")
    assert all_segments() == {"a": WRONG}


def test_segments_that_a_customer_has_are_kept(editor: HtmlClient, rule: Callable[..., None]) -> None:
    add_customers("a")
    set_segments("a", WRONG)
    rule()
    edit(editor, [*WRONG, {"type": "interest", "value": "WINE"}], 302)
    assert len(all_segments()["a"]) == 2


def test_bulk_edit_leaves_customers_with_another_value_alone(editor: HtmlClient, rule: Callable[..., None]) -> None:
    add_customers("a", "b")
    set_segments("a", SILVER)
    rule()
    form = [("base", "[]"), ("version", ""), ("type", "membership"), ("original_index", ""), ("operation", "add")]
    for value, status in (("GOLDD", 422), ("GOLD", 302)):
        fields = [*form, ("value", value), ("document_id", "a"), ("document_id", "b"), ("action", "preview")]
        response = editor.post("/bulk-edits", fields, status=status)
    assert run_job()
    page = editor.get(response.headers["Location"])
    assert "1 customer is left alone" in page.text
    editor.post(response.headers["Location"], {"action": "apply"})
    assert run_job()
    assert all_segments() == {"a": SILVER, "b": GOLD}


def test_rename_obeys_the_list(editor: HtmlClient, rule: Callable[..., None]) -> None:
    add_customers("a")
    set_segments("a", GOLD)
    rule()
    url = "/segments/membership/GOLD/rename"
    assert "Choose one of" in editor.post(url, WRONG[0], status=422).text
    rule("warn")
    assert "isn't in the list" in editor.post(url, {**WRONG[0], "value": "PLATINUM"}, status=422).text
    editor.post(url, {**WRONG[0], "value": "PLATINUM", "confirmed": "yes"}, status=302)


@pytest.mark.parametrize(
    "file",
    [
        "document_id,type,value\n1,membership,GOLD\n2,membership,GOLD\n2,membership,SILVER\n3,membership,GOLDD\n",
        'document_id,segments\n1,"[{""type"":""membership"",""value"":""GOLD""}]"\n'
        '2,"[{""type"":""membership"",""value"":""GOLD""},{""type"":""membership"",""value"":""SILVER""}]"\n'
        '3,"[{""type"":""membership"",""value"":""GOLDD""}]"\n',
    ],
)
def test_import_rejects_rows_that_break_a_rule(
    editor: HtmlClient, shell: Shell, rule: Callable[..., None], file: str
) -> None:
    rule()
    url = upload(editor, file)
    roles = file.partition("\n")[0].split(",")
    assert "not in the list" in preview(editor, url, roles).text
    apply(editor, url)
    assert all_segments() == {"1": GOLD}
    shell("customers", "import", shell.file("f.csv", file), exit_code=1)
    assert all_segments() == {"1": GOLD}
    rule("warn")
    assert "isn't in the list of its type" in preview(editor, upload(editor, file), roles).text


def test_import_that_adds_leaves_customers_with_another_value_alone(
    editor: HtmlClient, rule: Callable[..., None]
) -> None:
    add_customers("1", "2")
    set_segments("1", SILVER)
    rule()
    url = upload(editor, "document_id,type,value\n1,membership,GOLD\n2,membership,GOLD\n")
    editor.post(url, [("action", "check"), ("mode", "add"), *(("role", r) for r in ("document_id", "type", "value"))])
    assert run_job()
    assert "1 customer is left alone" in editor.get(url).text
    apply(editor, url)
    assert all_segments() == {"1": SILVER, "2": GOLD}


def test_commands_obey_when_asked_to(shell: Shell, rule: Callable[..., None]) -> None:
    add_customers("a")
    rule()
    file = shell.file("f.csv", "document_id,type,value\na,membership,GOLDD\n")
    shell("segments", "apply", file, "--strict", exit_code=1)
    assert all_segments() == {"a": []}
    shell("segments", "apply", file)
    assert all_segments() == {"a": WRONG}


# The page of a rule


def test_admin_saves_and_deletes_rules_and_editors_read_them(admin: HtmlClient, editor: HtmlClient) -> None:
    add_customers("a")
    set_segments("a", WRONG)
    url = admin.get("/segment-types").links["membership"]
    form = {"description": "Loyalty programme", "multiple": "one", "policy": "closed", "values": "GOLD\n SILVER\nGOLD"}
    admin.post(url, form, status=302)
    saved = load_rules().by_type["membership"]
    assert (saved.multiple, saved.policy, saved.allowed_values) == (False, "closed", ["GOLD", "SILVER"])
    assert "In use, but not in the list GOLDD" in admin.get(url).text
    page = editor.get(url)
    assert "Loyalty programme" in page.text
    assert "Save rules" not in page.text
    editor.post(url, form, status=403)
    assert "Loyalty programme" in editor.get("/segments").text
    admin.post(url, {"action": "delete"}, status=302)
    db.session.rollback()
    assert load_rules().by_type == {}


@pytest.mark.parametrize(
    "changes",
    [{"values": ""}, {"values": "\n".join(map(str, range(1001)))}, {"description": "x" * 501}, {"policy": "other"}],
)
def test_invalid_rules_are_refused(admin: HtmlClient, changes: dict[str, str]) -> None:
    form = {"description": "", "multiple": "many", "policy": "closed", "values": "GOLD", **changes}
    admin.post("/segment-types/membership", form, status=422)
    assert load_rules().by_type == {}


def test_another_type_gets_rules_before_a_customer_has_it(admin: HtmlClient) -> None:
    response = admin.client.get("/segment-types?type=tier")
    assert response.headers["Location"].endswith("/segment-types/tier")
    admin.post("/segment-types/tier", {"description": "x", "multiple": "many", "policy": "free"}, status=302)
    assert "tier" in admin.get("/segment-types").links


def test_token_is_made_strict_on_its_page_and_by_command(admin: HtmlClient, shell: Shell, app: Flask) -> None:
    shell("tokens", "create", "crm", "--strict")
    assert "Obeys rules" in admin.get("/tokens").text
    url = admin.get("/tokens").links["crm"]
    assert admin.get(url).field("strict")
    admin.post(url, {"expires": "unchanged"}, status=302)
    assert "Obeys rules" not in admin.get("/tokens").text
