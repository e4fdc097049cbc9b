"""Schedules on the pages: by local time, shown where they concern something, moved and cancelled."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.jobs.schedules import current_schedule
from app.jobs.states import JobKind
from app.pages.schedules import parse_local_time
from tests.support.clients import Api
from tests.support.customers import GOLD, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import all_profiles, preview, run_jobs, upload
from tests.support.schedules import XMAS, job_states, last_job, let_pass, moment, prepare, submit

MADRID = ZoneInfo("Europe/Madrid")


def local(hours: float) -> str:
    """Return the time on clocks in Madrid, so many hours from now, as a form sends it."""
    return moment(hours).astimezone(MADRID).strftime("%Y-%m-%dT%H:%M")


def plan(apply_at: str = "", revert_at: str = "", action: str = "save") -> dict[str, str]:
    return {"apply_at": apply_at, "revert_at": revert_at, "time_zone": "Europe/Madrid", "action": action}


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2027-01-07T00:00", "2027-01-06T23:00"),
        ("2027-07-07T00:00", "2027-07-06T22:00"),
        ("2027-03-28T01:59", "2027-03-28T00:59"),
        ("2027-03-28T02:30", "2027-03-28T01:30"),  # is left out: clocks show 03:30
        ("2027-03-28T03:00", "2027-03-28T01:00"),
        ("2027-10-31T01:59", "2027-10-30T23:59"),
        ("2027-10-31T02:30", "2027-10-31T00:30"),  # is there twice: the earlier
        ("2027-10-31T03:00", "2027-10-31T02:00"),
    ],
)
def test_local_time_is_one_moment_also_when_clocks_change(text: str, utc: str) -> None:
    assert parse_local_time(text, MADRID) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "tomorrow", "2027-01-07T00:00Z", "9999-12-32T00:00"])
def test_other_texts_are_no_local_time(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason
        parse_local_time(text, MADRID)


def test_campaign_comes_and_goes_by_itself(editor: HtmlClient) -> None:
    add_customers("a", "b", "c")
    url, schedule = prepare(editor, "a", "b")
    page = editor.submit(schedule, plan(local(2), local(10)))
    assert "Will be applied:" in page.text
    assert "(Madrid)" in page.text
    for concerned in ("/", "/customers/a", "/segments/campaign/XMAS"):
        assert editor.get(concerned).links["Add XMAS"] == url
    assert "Add XMAS" not in editor.get("/customers/c").links
    let_pass(3)
    run_jobs()
    set_segments("b", XMAS + GOLD)
    for concerned in ("/", "/customers/a", "/segments/campaign/XMAS", url):
        assert "Will be undone:" in editor.get(concerned).text
    assert "Add XMAS" not in editor.get("/customers/c").links
    assert all_segments() == {"a": XMAS, "b": XMAS + GOLD, "c": []}
    let_pass(8)
    run_jobs()
    assert all_segments() == {"a": [], "b": GOLD, "c": []}
    for ended in ("/", "/customers/a", "/segments/campaign/XMAS", url):
        assert "Will be undone" not in editor.get(ended).text


def test_import_is_scheduled(editor: HtmlClient) -> None:
    url = upload(editor, "document_id,name\n1,Ana\n")
    editor.client.set_cookie("time_zone", "Europe/Madrid")
    preview(editor, url, ["document_id", "name"])
    editor.submit(f"/jobs/{url.rpartition('/')[2]}/schedule", plan(local(2)))
    assert "Import spring.csv" in editor.get("/").links
    assert "Scheduled" in editor.get("/imports").text
    let_pass(3)
    run_jobs()
    assert set(all_profiles()) == {"1"}


def test_undo_alone_is_scheduled_and_the_edit_is_applied_now(editor: HtmlClient) -> None:
    add_customers("a")
    url, schedule = prepare(editor, "a")
    editor.post(schedule, plan(revert_at=local(5)))
    run_jobs()
    assert all_segments() == {"a": XMAS}
    assert "Will be undone:" in editor.get(url).text


def test_schedule_is_moved_and_cancelled_before(editor: HtmlClient) -> None:
    add_customers("a")
    url, schedule = prepare(editor, "a")
    editor.post(schedule, plan(local(2), local(10)))
    editor.post(schedule, plan(local(5), local(10)))
    let_pass(3)
    assert run_jobs() == 0
    assert "Schedule canceled. Nothing changed." in editor.submit(schedule, plan(action="cancel")).text
    let_pass(3)
    assert run_jobs() == 0
    assert job_states() == [("edit", "ready")]
    assert "Preview — nothing has changed yet" in editor.get(url).text


def test_undo_is_moved_and_cancelled_after_application(editor: HtmlClient) -> None:
    add_customers("a")
    url, schedule = prepare(editor, "a")
    editor.post(schedule, plan(local(2), local(10)))
    let_pass(3)
    run_jobs()
    assert "Apply at" not in editor.get(schedule).text
    editor.post(schedule, plan(revert_at=local(20)))
    let_pass(10)
    assert run_jobs() == 0
    assert "The change stays." in editor.submit(schedule, plan(action="cancel")).text
    let_pass(20)
    assert run_jobs() == 0
    assert all_segments() == {"a": XMAS}
    assert "Will be undone" not in editor.get(url).text


def test_unchanged_text_keeps_the_moment_to_the_second(api: Api, editor: HtmlClient) -> None:
    add_customers(*"abcde")
    editor.client.set_cookie("time_zone", "Europe/Madrid")
    submit(api, apply_at="2099-10-25T01:30:15Z", revert_at="2099-12-01T00:00:30Z")  # 02:30, the second time
    run_jobs()
    assert editor.get("/").links["Add segments"] == "/jobs/1/schedule"
    page = editor.get("/jobs/1/schedule")
    assert page.field("apply_at") == "2099-10-25T02:30"
    editor.post("/jobs/1/schedule", plan(page.field("apply_at"), page.field("revert_at")))
    schedule = current_schedule(last_job(JobKind.API))
    assert [at and at.isoformat() for at in (schedule.apply_at, schedule.revert_at)] == [
        "2099-10-25T01:30:15+00:00",
        "2099-12-01T00:00:30+00:00",
    ]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        (plan(), "Enter a date and a time."),
        (plan("soon"), "Enter a date and a time."),
        (plan("2020-01-01T00:00"), "Must not be in the past."),
        (plan("2090-01-02T00:00", "2090-01-01T00:00"), "Must be later than the moment at which it is applied."),
    ],
)
def test_impossible_schedule_is_refused_at_its_field(editor: HtmlClient, form: dict[str, str], error: str) -> None:
    add_customers("a")
    _, schedule = prepare(editor, "a")
    assert error in editor.post(schedule, form, status=422).text
    assert job_states() == [("edit", "ready")]


def test_missed_schedule_is_shown_on_the_overview(editor: HtmlClient) -> None:
    add_customers("a")
    url, schedule = prepare(editor, "a")
    editor.post(schedule, plan(local(2), local(10)))
    let_pass(11)
    run_jobs()
    for page in ("/", url):
        assert "have both passed before it could be applied" in editor.get(page).text
    assert all_segments() == {"a": []}


def test_undo_of_a_customer_with_later_entries_is_found(editor: HtmlClient) -> None:
    add_customers("a")
    url, schedule = prepare(editor, "a")
    editor.post(schedule, plan(revert_at=local(5)))
    run_jobs()
    for n in range(30):
        set_segments("a", [*XMAS, {"type": "n", "value": str(n)}])
    assert editor.get("/customers/a").links["Add XMAS"] == url


def test_viewers_see_schedules_and_change_nothing(editor: HtmlClient, viewer: HtmlClient) -> None:
    add_customers("a")
    _, schedule = prepare(editor, "a")
    editor.post(schedule, plan(local(2)))
    page = viewer.get(schedule)
    assert "Will be applied:" in page.text
    assert "Save schedule" not in page.text
    viewer.post(schedule, plan(action="cancel"), status=403)


def test_pending_undo_leads_to_its_schedule(editor: HtmlClient) -> None:
    add_customers("a")
    _, schedule = prepare(editor, "a")
    editor.post(schedule, plan(revert_at=local(5)))
    run_jobs()
    revert = last_job(JobKind.REVERT).id
    assert editor.client.get(f"/undo/{revert}").headers["Location"] == f"/jobs/{revert}/schedule"
    assert editor.client.get(f"/jobs/{revert}/schedule").headers["Location"] == schedule
