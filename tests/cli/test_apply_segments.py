"""flask segments apply FILE"""

import gzip
import json
from datetime import timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import select

from app.core import dialects
from app.core.counts.recount import recount
from app.core.database import db, now
from app.core.limits import BATCH_SIZE
from app.core.models.change_sets import ChangeSet
from app.jobs import apply_file
from tests.support.clients import Shell
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.rejected_rows import read_rejected

BODY = {"customers": [{"document_id": "a", "segments": GOLD}, {"document_id": "x", "segments": GOLD}]}
PRETTY = json.dumps(BODY, indent=2).encode()
LINES = "\n".join(json.dumps(row) for row in BODY["customers"]).encode()
CSV = b"document_id,type,value\na,membership,GOLD\nx,membership,GOLD\n"


@pytest.fixture(autouse=True)
def customers(shell: Shell) -> None:
    add_customers("a", "b")
    set_segments("b", SILVER)


def apply(shell: Shell, content: bytes | str, *options: str, exit_code: int = 0) -> Any:
    return json.loads(shell("segments", "apply", shell.file("f", content), *options, exit_code=exit_code).stdout)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps(BODY).encode(), id="the endpoint's body"),
        pytest.param(PRETTY, id="the body, indented"),
        pytest.param(LINES, id="JSON Lines"),
        pytest.param(CSV, id="CSV"),
        pytest.param(gzip.compress(PRETTY), id="gzip"),
    ],
)
def test_report_and_segments(shell: Shell, content: bytes) -> None:
    report = apply(shell, content)
    assert report == {
        "changed": 1,
        "unchanged": 0,
        "notFound": ["x"],
        "duplicates": [],
        "stale": [],
        "changeSet": "2",
    }
    assert all_segments() == {"a": GOLD, "b": SILVER}
    assert apply(shell, content)["changeSet"] is None


def test_dry_run_reports_the_same_and_changes_nothing(shell: Shell) -> None:
    dry = apply(shell, LINES, "--dry-run")
    assert all_segments() == {"a": [], "b": SILVER}
    assert recount(TESTER) == []
    assert db.session.scalars(select(ChangeSet.id)).all() == [1]
    assert apply(shell, LINES) | {"changeSet": None} == dry


def test_first_row_of_a_duplicate_id_is_used(shell: Shell) -> None:
    lines = [json.dumps({"document_id": id_, "segments": s}) for id_, s in [("b", GOLD), ("a", GOLD), ("b", [])]]
    assert apply(shell, "\n".join(lines))["duplicates"] == ["b"]
    assert all_segments() == {"a": GOLD, "b": GOLD}


def test_csv_row_per_segment_keeps_the_order_and_an_empty_one_clears(shell: Shell) -> None:
    apply(shell, "value,document_id,type\nGOLD,a,membership\n,b,\nWINE,a,interest\nGOLD,a,membership\n")
    wine = [{"type": "interest", "value": "WINE"}]
    assert all_segments() == {"a": [*GOLD, *wine, *GOLD], "b": []}


def test_customer_with_an_invalid_row_is_not_changed(shell: Shell) -> None:
    content = "document_id,type,value\nb,membership,GOLD\na,membership,GOLD\nb,membership,\n,x,y\n"
    file = shell.file("f.csv", content)
    shell("segments", "apply", file, exit_code=1)
    assert all_segments() == {"a": GOLD, "b": SILVER}
    rows = read_rejected(file)
    assert [(row["line"], row["document_id"]) for row in rows] == [("2", "b"), ("4", "b"), ("5", "")]


def test_customer_with_a_misplaced_quote_is_not_changed(shell: Shell) -> None:
    content = 'document_id,type,value\nb,membership,GOLD\nb,interest,"WINE"x\na,membership,GOLD\n'
    shell("segments", "apply", shell.file("f.csv", content), exit_code=1)
    assert all_segments() == {"a": GOLD, "b": SILVER}


def test_empty_type_and_value_are_kept_in_json(shell: Shell) -> None:
    apply(shell, '{"document_id": "a", "segments": [{"type": "", "value": ""}]}')
    assert all_segments()["a"] == [{"type": "", "value": ""}]


def test_customers_changed_after_as_of_are_stale(shell: Shell) -> None:
    lines = "\n".join(json.dumps({"document_id": id_, "segments": GOLD}) for id_ in ("b", "a"))
    assert apply(shell, lines, "--as-of", "2020-01-01T00:00:00Z")["stale"] == ["b"]
    assert all_segments() == {"a": GOLD, "b": SILVER}
    soon = (now() + timedelta(seconds=30)).astimezone(timezone(timedelta(hours=2)))
    assert apply(shell, lines, "--as-of", soon.isoformat())["changed"] == 1


def test_time_in_the_future_exits_with_2(shell: Shell) -> None:
    shell("segments", "apply", shell.file("f", LINES), "--as-of", "2999-01-01T00:00:00Z", exit_code=2)
    assert all_segments() == {"a": [], "b": SILVER}


def test_time_without_offset_exits_with_2(shell: Shell) -> None:
    shell("segments", "apply", shell.file("f", LINES), "--as-of", "2020-01-01T00:00:00", exit_code=2)


@pytest.mark.parametrize(
    "content",
    [PRETTY[:-5], b'{"customers": [{}', b'{"customers": [1e999]}', b"document_id,type\na,b\n", b"\xff\xfe", b""],
)
def test_unreadable_file_exits_with_2_and_applies_nothing(shell: Shell, content: bytes) -> None:
    shell("segments", "apply", shell.file("f", content), exit_code=2)
    assert all_segments() == {"a": [], "b": SILVER}


def test_rejected_elements_of_a_body_are_numbered(shell: Shell) -> None:
    body = {"customers": [{"document_id": "a", "segments": GOLD}, {"document_id": 1}, {"document_id": "b\ud800"}]}
    file = shell.file("f.json", json.dumps(body))
    shell("segments", "apply", file, exit_code=1)
    assert all_segments() == {"a": GOLD, "b": SILVER}
    assert [row["line"] for row in read_rejected(file)] == ["2", "3"]


def test_crash_in_the_second_batch_leaves_the_first_as_a_change_set_that_can_be_reverted(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_customers(*(str(n) for n in range(6_000)))
    lines = "\n".join(json.dumps({"document_id": str(n), "segments": GOLD}) for n in range(6_000))
    file = shell.file("f", lines)
    calls = []

    def replace_in(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    real = apply_file.replace_segments_in
    monkeypatch.setattr(apply_file, "replace_segments_in", replace_in)
    shell("segments", "apply", file, exit_code=1)
    newest = select(ChangeSet.id, ChangeSet.state, ChangeSet.changed).order_by(ChangeSet.id.desc()).limit(1)
    db.session.rollback()
    id_, state, changed = db.session.execute(newest).one()
    assert (state, changed) == ("cancelled", dialects.batch_size(db.engine, BATCH_SIZE))
    shell("changes", "revert", str(id_))
    assert not any(segments for id_, segments in all_segments().items() if id_ != "b")
    shell("segments", "apply", file)
    assert sum(segments == GOLD for segments in all_segments().values()) == 6_000
    assert recount(TESTER) == []


def test_unchanged_file_of_several_batches_leaves_no_change_set(shell: Shell) -> None:
    add_customers(*(str(n) for n in range(6_000)))
    lines = "\n".join(json.dumps({"document_id": str(n), "segments": []}) for n in range(6_000))
    report = apply(shell, lines)
    assert (report["changed"], report["unchanged"], report["changeSet"]) == (0, 6_000, None)
    assert apply(shell, lines.replace('"5999", "segments": []', '"5999", "segments": [{"type": "t", "value": "v"}]'))[
        "changeSet"
    ]
    db.session.rollback()
    newest = select(ChangeSet.changed, ChangeSet.unchanged).order_by(ChangeSet.id.desc()).limit(1)
    assert tuple(db.session.execute(newest).one()) == (1, 5_999)
