"""flask segments pick-up FOLDER"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from app import background
from app.cli.terminal import cli_actor
from app.core.database import db, run_in_transaction
from app.core.models.change_sets import ChangeSet
from app.files.inbox import take_files
from app.jobs import batches
from app.jobs.jobs import Job
from app.jobs.pick_up import PickUp, pick_up
from app.jobs.states import JobState
from bench.servers.gunicorn import ROOT, clean
from tests.support.api_jobs import kill_in_batch
from tests.support.clients import Shell
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, count_change_sets, set_segments
from tests.support.rejected_rows import read_rejected


@pytest.fixture(autouse=True)
def customers(shell: Shell) -> None:
    add_customers("a", "b", "c")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def rows(**segments: Any) -> str:
    return "\n".join(json.dumps({"document_id": id_, "segments": value}) for id_, value in segments.items())


def put(folder: Path, name: str, content: str, *, seconds_ago: float = 60) -> Path:
    path = folder / name
    path.write_text(content)
    os.utime(path, (time.time() - seconds_ago,) * 2)
    return path


def run(shell: Shell, folder: Path, *options: str, exit_code: int = 0) -> Any:
    return shell("segments", "pick-up", str(folder), "--min-age", "0s", *options, exit_code=exit_code)


def names(folder: Path) -> list[str]:
    """Return the names of the files without the time at which each was taken."""
    return sorted(path.name.partition("-")[2] for path in folder.iterdir() if not path.name.startswith("."))


def report(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("*.report.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_file_is_applied_once_and_moved_beside_its_report(shell: Shell, folder: Path) -> None:
    put(folder, "night.jsonl", rows(a=GOLD, x=GOLD))
    assert "night.jsonl: 1 customer changed" in run(shell, folder).stdout
    assert all_segments() == {"a": GOLD, "b": [], "c": []}
    assert names(folder / "done") == ["night.jsonl", "night.jsonl.report.json"]
    found = report(folder / "done")
    assert (found["state"], found["changeSet"], found["error"]) == ("done", "1", None)
    assert (found["report"]["changed"], found["report"]["notFound"]) == (1, ["x"])
    assert list((folder / "working").iterdir()) == []
    run(shell, folder)
    assert count_change_sets() == 1


def test_incomplete_files_wait(shell: Shell, folder: Path) -> None:
    for name in (".night.jsonl", "night.jsonl.part", "night.TMP", "night.jsonl.filepart"):
        put(folder, name, rows(a=GOLD))
    (folder / "link.jsonl").symlink_to(put(folder.parent, "elsewhere.jsonl", rows(a=GOLD)))
    run(shell, folder)
    put(folder, "growing.jsonl", rows(a=GOLD))
    shell("segments", "pick-up", str(folder), "--min-age", "1h")
    assert all_segments()["a"] == []
    assert (folder / "growing.jsonl").exists()


def test_file_with_a_time_in_the_future_waits_and_is_named(shell: Shell, folder: Path) -> None:
    put(folder, "night.jsonl", rows(a=GOLD), seconds_ago=-3_600)
    assert "night.jsonl: its time is in the future" in run(shell, folder).stderr
    assert all_segments()["a"] == []


def test_unreadable_file_fails_and_others_are_applied(shell: Shell, folder: Path) -> None:
    put(folder, "empty.csv", "", seconds_ago=90)
    put(folder, "night.jsonl", rows(a=GOLD))
    run(shell, folder, exit_code=2)
    assert all_segments()["a"] == GOLD
    assert names(folder / "failed") == ["empty.csv", "empty.csv.report.json"]
    assert report(folder / "failed")["error"]


def test_guard_refuses_the_file(shell: Shell, folder: Path) -> None:
    for id_ in "abc":
        set_segments(id_, SILVER)
    put(folder, "night.jsonl", rows(a=[], b=[], c=SILVER))
    run(shell, folder, "--no-as-of", "--guard-percent", "50", exit_code=2)
    assert all_segments() == dict.fromkeys("abc", SILVER)
    assert "2 customers would lose all their segments" in report(folder / "failed")["error"]


def test_rejected_rows_are_written_beside_the_file(shell: Shell, folder: Path) -> None:
    put(folder, "night.csv", "document_id,type,value\na,membership,GOLD\nb,membership,\n")
    run(shell, folder, exit_code=1)
    assert all_segments()["a"] == GOLD
    (file,) = (folder / "done").glob("*.csv.rejected.csv")
    assert [row["line"] for row in read_rejected(str(file).removesuffix(".rejected.csv"))] == ["3"]


def test_dry_run_first_applies_nothing_of_a_file_with_errors(shell: Shell, folder: Path) -> None:
    put(folder, "night.csv", "document_id,type,value\na,membership,GOLD\nb,membership,\n")
    run(shell, folder, "--dry-run-first", exit_code=2)
    assert all_segments()["a"] == []
    assert names(folder / "failed") == ["night.csv", "night.csv.rejected.csv", "night.csv.report.json"]
    assert report(folder / "failed")["error"] == "1 row has errors. Nothing was applied."
    put(folder, "night.csv", "document_id,type,value\na,membership,GOLD\n")
    run(shell, folder, "--dry-run-first")
    assert all_segments()["a"] == GOLD


def test_customers_changed_after_the_time_of_the_file_are_left_alone(shell: Shell, folder: Path) -> None:
    set_segments("a", SILVER)
    put(folder, "night.jsonl", rows(a=GOLD, b=GOLD), seconds_ago=3_600)
    run(shell, folder)
    assert all_segments() == {"a": SILVER, "b": GOLD, "c": []}
    assert report(folder / "done")["report"]["stale"] == ["a"]
    put(folder, "night.jsonl", rows(a=GOLD), seconds_ago=3_600)
    run(shell, folder, "--no-as-of")
    assert all_segments()["a"] == GOLD


def test_files_of_two_nights_are_applied_in_their_order(shell: Shell, folder: Path) -> None:
    """What the older one changed, just now, is not newer than the other one; what an operator changed is."""
    put(folder, "z-monday.jsonl", rows(a=SILVER, b=SILVER, c=SILVER), seconds_ago=90_000)
    put(folder, "a-tuesday.jsonl", rows(a=GOLD, b=GOLD, c=SILVER), seconds_ago=3_600)
    set_segments("b", [{"type": "membership", "value": "BY HAND"}])
    run(shell, folder)
    assert all_segments() == {"a": GOLD, "b": [{"type": "membership", "value": "BY HAND"}], "c": SILVER}


def test_older_file_does_not_overwrite_a_newer_one(shell: Shell, folder: Path) -> None:
    put(folder, "tuesday.jsonl", rows(a=GOLD), seconds_ago=3_600)
    run(shell, folder)
    put(folder, "monday.jsonl", rows(a=SILVER), seconds_ago=90_000)
    run(shell, folder)
    assert all_segments()["a"] == GOLD


def test_runs_at_the_same_time_take_each_file_once(folder: Path) -> None:
    for n in range(40):
        put(folder, f"{n}.jsonl", rows(a=GOLD))
    names: list[str] = []
    barrier = threading.Barrier(8)

    def take() -> None:
        barrier.wait()
        for file in take_files(folder, min_age=0, report_future=print):
            names.append(file.name.partition("-")[2])
            file.finish("done", {}, None)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == sorted(f"{n}.jsonl" for n in range(40))
    assert list((folder / "working").iterdir()) == []


def test_file_claimed_by_another_run_is_skipped(shell: Shell, folder: Path) -> None:
    put(folder, "night.jsonl", rows(a=GOLD))
    files: Iterator[Any] = take_files(folder, min_age=0, report_future=print)
    next(files)
    run(shell, folder)
    assert all_segments()["a"] == []
    files.close()  # type: ignore[attr-defined]
    run(shell, folder)
    assert all_segments()["a"] == GOLD


def test_killed_run_is_continued_and_nothing_is_applied_twice(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    put(folder, "night.jsonl", rows(a=GOLD, b=GOLD, c=GOLD))
    options = PickUp(folder, cli_actor(), min_age=timedelta(0))
    stop = threading.Event()
    stop.set()  # as soon as the job is started
    assert list(pick_up(options, background.HANDLERS, stop, print)) == []
    assert background.work_on_jobs(threading.Event())  # a worker of the service checks the file
    kill_in_batch(2, monkeypatch)
    run(shell, folder)
    assert all_segments() == dict.fromkeys("abc", GOLD)
    db.session.rollback()
    assert db.session.scalars(select(ChangeSet.changed)).one() == 3
    assert len(db.session.scalars(select(Job.id)).all()) == 1
    assert names(folder / "done") == ["night.jsonl", "night.jsonl.report.json"]


def test_run_that_was_killed_before_its_job_started_begins_again(shell: Shell, folder: Path) -> None:
    put(folder, "night.jsonl", rows(a=GOLD))
    options = PickUp(folder, cli_actor(), min_age=timedelta(0))
    stop = threading.Event()
    stop.set()
    list(pick_up(options, background.HANDLERS, stop, print))
    uploading = update(Job).values(state=JobState.UPLOADING)
    run_in_transaction(lambda session: session.execute(uploading))
    run(shell, folder)
    assert all_segments()["a"] == GOLD
    assert count_change_sets() == 1


def test_cancelled_job_leaves_the_file_in_failed(shell: Shell, folder: Path) -> None:
    put(folder, "night.jsonl", rows(a=GOLD))
    stop = threading.Event()
    stop.set()
    list(pick_up(PickUp(folder, cli_actor(), min_age=timedelta(0)), background.HANDLERS, stop, print))
    run_in_transaction(lambda session: session.execute(update(Job).values(state=JobState.CANCELLED)))
    run(shell, folder, exit_code=2)
    assert all_segments()["a"] == []
    assert names(folder / "failed") == ["night.jsonl", "night.jsonl.report.json"]


def test_options_say_how_files_are_written(shell: Shell, folder: Path) -> None:
    put(folder, "night.txt", "Kunde;Karte\na;GOLD\n")
    run(shell, folder, "--columns", "document_id,segment:membership", "--delimiter", "semicolon")
    assert all_segments()["a"] == GOLD


def test_watch_applies_files_until_it_is_stopped(shell: Shell, folder: Path) -> None:
    environ = {"DATABASE_URL": shell.app.config["DATABASE_URL"], "SECRET_KEY": "only-for-tests-0123456789"}
    command = [sys.executable, "-m", "flask", "segments", "pick-up", str(folder), "--min-age", "0s", "--watch"]
    put(folder, "first.jsonl", rows(a=GOLD))
    with subprocess.Popen(command, cwd=ROOT, env=clean() | environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "first.jsonl" in process.stdout.readline()
        put(folder, "second.jsonl", rows(b=GOLD))
        assert "second.jsonl" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert all_segments() == {"a": GOLD, "b": GOLD, "c": []}
