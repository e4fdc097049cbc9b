"""flask customers import FILE"""

import gzip
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.core.counts.recount import recount
from app.core.counts.segment_counts import SegmentCount
from app.core.database import db
from app.core.models.change_sets import ChangeSet
from tests.support.clients import Shell
from tests.support.customers import GOLD, SILVER, TESTER, all_segments, set_segments
from tests.support.imports import all_profiles
from tests.support.rejected_rows import read_rejected


def test_customers_are_created_and_then_unchanged(shell: Shell) -> None:
    file = shell.file("c.csv", "document_id,name,email,phone\n1,Ana,ana@x.co,+57 1\n2,Luis,,\n")
    assert "2 customers created, 0 updated, 0 unchanged" in shell("customers", "import", file).stdout
    assert all_profiles() == {"1": ("Ana", "ana@x.co", "+57 1"), "2": ("Luis", None, None)}
    assert all_segments() == {"1": [], "2": []}
    assert "0 customers created, 0 updated, 2 unchanged" in shell("customers", "import", file).stdout


def test_only_the_fields_of_the_file_are_updated(shell: Shell) -> None:
    shell("customers", "import", shell.file("a.csv", "document_id,name,phone\n1,Ana,5\n"))
    set_segments("1", GOLD)
    shell("customers", "import", shell.file("b.csv", "phone,document_id,other\n6,1,x\n"))
    assert all_profiles() == {"1": ("Ana", None, "6")}
    shell(
        "customers", "import", shell.file("c.jsonl", '{"document_id":"1","name":null}\n{"document_id":"2","phone":"7"}')
    )
    assert all_profiles() == {"1": (None, None, "6"), "2": (None, None, "7")}
    assert all_segments() == {"1": GOLD, "2": []}


def test_segments_of_the_file_replace_those_of_the_customer(shell: Shell) -> None:
    shell("customers", "import", shell.file("a.csv", "document_id\n1\n2\n3\n"))
    for document_id in "123":
        set_segments(document_id, SILVER)
    lines = '{"document_id":"1","segments":[{"type":"membership","value":"GOLD"}]}\n{"document_id":"2"}\n'
    shell("customers", "import", shell.file("b.jsonl", lines + '{"document_id":"3","segments":null}'))
    assert all_segments() == {"1": GOLD, "2": SILVER, "3": []}
    text = 'document_id,segments\n2,"[{""type"":""membership"",""value"":""GOLD""}]"\n1,\n'
    shell("customers", "import", shell.file("c.csv", text))
    assert all_segments() == {"1": [], "2": GOLD, "3": []}
    assert recount(TESTER) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("\ufeffdocument_id,name\n1,Ana\n".encode(), id="byte-order mark"),
        pytest.param(b"document_id;name\r\n1;Ana\r\n", id="semicolons"),
        pytest.param(b"document_id\tname\n1\tAna", id="tabs"),
        pytest.param(b"document_id|name\n1|Ana", id="bars"),
        pytest.param(b"document_id,name\r1,Ana\r", id="carriage returns only, as on a Mac of old"),
        pytest.param("document_id\tname\r\n1\tAna\r\n".encode("utf-16"), id="UTF-16"),
        pytest.param("C\xe9dula;Nombre\n1;Ana\n".encode("cp1252"), id="Spanish names, as Windows writes them"),
        pytest.param(b' Document_ID ,"name"\n"1","Ana"\n\n', id="spelling of the header"),
        pytest.param(gzip.compress(b"document_id,name\n1,Ana\n"), id="gzip"),
        pytest.param(b'{"document_id": "1", "name": "Ana"}\n\n', id="JSON Lines"),
        pytest.param(gzip.compress(b'\n{"document_id": "1", "name": "Ana"}'), id="JSON Lines, gzip"),
    ],
)
def test_format_is_detected(shell: Shell, content: bytes) -> None:
    shell("customers", "import", shell.file("file", content))
    assert all_profiles() == {"1": ("Ana", None, None)}
    db.session.rollback()
    shell("customers", "import", "-", stdin=content)


def test_rejected_rows_are_written_with_line_and_reason(shell: Shell) -> None:
    content = b'document_id,name\n,Ana\nok-1,Ana\n%s,Ana\n5,%s\n6,A\xffna\n7\nok-2,"two\nlines"\n8,Ana,3\n"9"x,Ana\n'
    content += "ok-3,Zoé\n".encode()
    file = shell.file("c.csv", content % (b"x" * 513, b"n" * 1001))
    result = shell("customers", "import", file, exit_code=1)
    assert "6 rows rejected" in result.stderr
    assert set(all_profiles()) == {"ok-1", "ok-2", "ok-3", "7"}
    rows = read_rejected(file)
    assert [int(row["line"]) for row in rows] == [2, 4, 5, 6, 10, 11]
    assert [row["error"].split(":")[0].split(" ")[0] for row in rows] == [
        "document_id",
        "document_id",
        "name",
        "Not",
        "3",
        "Invalid",
    ]


def test_fixed_rejected_rows_can_be_imported_again(shell: Shell) -> None:
    file = shell.file("c.csv", "document_id,name\n1,Ana\n,Luis\n")
    shell("customers", "import", file, exit_code=1)
    repaired = Path(file + ".rejected.csv").read_text().replace(",Luis", "2,Luis")
    shell("customers", "import", shell.file("again.csv", repaired))
    assert all_profiles() == {"1": ("Ana", None, None), "2": ("Luis", None, None)}


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        "7",
        '{"document_id": 7}',
        '{"document_id": "x\\u0000"}',
        '{"document_id": "x\\ud800"}',
        '{"document_id": "x", "name": 7}',
        '{"document_id": "x", "segments": [{"type": "t"}]}',
        '{"document_id": "x"',
        "[" * 100_000,
    ],
)
def test_invalid_json_line_is_rejected_alone(shell: Shell, line: str) -> None:
    file = shell.file("c.jsonl", f'{{"document_id": "1"}}\n{line}\n{{"document_id": "2"}}\n')
    shell("customers", "import", file, exit_code=1)
    assert set(all_profiles()) == {"1", "2"}
    (row,) = read_rejected(file)
    assert row["line"] == "2"
    assert row["row"].startswith(line[:1000].replace("\\ud800", "\\ud800"))


def test_first_row_of_a_duplicate_id_is_used(shell: Shell) -> None:
    result = shell("customers", "import", shell.file("c.csv", "document_id,name\n1,Ana\n1,Luis\n"))
    assert "1 duplicate ID: first row used" in result.stdout
    assert all_profiles() == {"1": ("Ana", None, None)}


@pytest.mark.parametrize(
    "content",
    [b"", b"name\nAna\n", b"\x1f\x8bnot gzip", gzip.compress(b"document_id\n1\n" * 99)[:40]],
    ids=["empty", "without document_id", "not gzip", "gzip, cut off"],
)
def test_unreadable_file_exits_with_2(shell: Shell, content: bytes) -> None:
    shell("customers", "import", shell.file("c.csv", content), exit_code=2)
    assert all_profiles() == {}


def test_unclosed_quote_rejects_only_the_rows_after_it(shell: Shell) -> None:
    file = shell.file("c.csv", 'document_id,name\n1,Ana\n2,"Luis\n3,Eva\n')
    shell("customers", "import", file, exit_code=1)
    assert set(all_profiles()) == {"1"}
    (row,) = read_rejected(file)
    assert row["line"] == "3"
    assert "up to line 4" in row["error"]


def test_line_numbers_count_from_the_beginning_of_the_file(shell: Shell) -> None:
    file = shell.file("c.csv", '\ndocument_id,"name,\nor not"\n1,"Ana\nG"\n\n,Luis\n')
    shell("customers", "import", file, exit_code=1)
    assert [row["line"] for row in read_rejected(file)] == ["7"]


def test_missing_file_exits_with_2(shell: Shell) -> None:
    assert "cannot be opened" in shell("customers", "import", "/nowhere.csv", exit_code=2).stderr


def test_large_file_is_one_change_set(shell: Shell) -> None:
    lines = "".join(f'{{"document_id":"{n}","segments":[{{"type":"t","value":"{n % 3}"}}]}}\n' for n in range(12_000))
    shell("customers", "import", shell.file("c.jsonl", lines))
    totals = select(ChangeSet.id, ChangeSet.state, ChangeSet.created, ChangeSet.changed)
    assert [tuple(row) for row in db.session.execute(totals)] == [(1, "done", 12_000, 12_000)]
    sizes = select(SegmentCount.value, func.sum(SegmentCount.delta)).group_by(SegmentCount.value)
    assert {(value, int(size)) for value, size in db.session.execute(sizes)} == {(value, 4_000) for value in "012"}
