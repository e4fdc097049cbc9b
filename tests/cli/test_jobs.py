"""`flask jobs …`: list, schedule, move and cancel jobs."""

from tests.support.clients import Api, Shell
from tests.support.customers import add_customers, all_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import run_jobs
from tests.support.schedules import XMAS, let_pass, moment, prepare, rfc_3339, submit


def test_prepared_job_is_scheduled_moved_and_applied(editor: HtmlClient, shell: Shell) -> None:
    add_customers("a")
    prepare(editor, "a")
    assert shell("jobs", "list").stdout.split("\t")[:5] == ["1", "edit", "ready", "-", "-"]
    at, until = rfc_3339(moment(2)), rfc_3339(moment(10))
    shell("jobs", "schedule", "1", "--apply-at", at, "--revert-at", until)
    assert shell("jobs", "list").stdout.split("\t")[:5] == ["1", "edit", "scheduled", at, until]
    later = rfc_3339(moment(5))
    assert later in shell("jobs", "schedule", "1", "--apply-at", later).stderr
    let_pass(3)
    assert run_jobs() == 0
    let_pass(3)
    run_jobs()
    assert all_segments() == {"a": XMAS}
    assert shell("jobs", "list").stdout.split("\t")[1:3] == ["revert", "scheduled"]
    shell("jobs", "schedule", "1", "--revert-at", "never")
    assert shell("jobs", "list").stdout == ""
    shell("jobs", "schedule", "1", "--revert-at", rfc_3339(moment(1)))
    let_pass(2)
    run_jobs()
    assert all_segments() == {"a": []}


def test_scheduled_jobs_and_their_reverts_are_cancelled(api: Api, shell: Shell) -> None:
    add_customers(*"abcde")
    submit(api, apply_at=2)
    submit(api, revert_at=5)
    run_jobs()
    assert "Job 1 is cancelled." in shell("jobs", "cancel", "1").stderr
    assert "Job 2 stays applied." in shell("jobs", "cancel", "2").stderr
    let_pass(6)
    assert run_jobs() == 0
    assert all_segments()["a"] == XMAS


def test_impossible_schedules_are_refused(editor: HtmlClient, shell: Shell) -> None:
    add_customers("a")
    prepare(editor, "a")
    past = shell("jobs", "schedule", "1", "--apply-at", rfc_3339(moment(-1)), exit_code=2)
    assert "--apply-at: Must not be in the past." in past.stderr
    assert "Give --apply-at" in shell("jobs", "schedule", "1", exit_code=2).stderr
    assert "RFC 3339" in shell("jobs", "schedule", "1", "--apply-at", "tomorrow", exit_code=2).stderr
    assert "There is no job 9" in shell("jobs", "cancel", "9", exit_code=2).stderr
    assert "can't be stopped" in shell("jobs", "cancel", "1", exit_code=2).stderr
