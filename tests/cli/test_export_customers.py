"""flask customers export"""

import csv
import io
import json

import pytest

from tests.support.clients import Shell
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, profile, reset_database, set_segments
from tests.support.imports import all_profiles

ODD = [{"type": "a:b%", "value": ',";\n\r\n😀 مرحبا'}, {"type": "=1+1", "value": "@x"}]


@pytest.fixture(autouse=True)
def customers(shell: Shell) -> None:
    add_customers("b", "a", 'c,"\nd', name='Ana, la "Gó"\nmez', email="ANA@x.co", phone="+57")
    set_segments("a", [*GOLD, *ODD])
    set_segments("b", SILVER)


def test_csv_rows(shell: Shell) -> None:
    rows = list(csv.DictReader(io.StringIO(shell("customers", "export").stdout, newline="")))
    assert [row["document_id"] for row in rows] == ["a", "b", 'c,"\nd']
    assert json.loads(rows[1]["segments"]) == SILVER
    assert rows[0]["name"] == 'Ana, la "Gó"\nmez'


def test_json_lines(shell: Shell) -> None:
    first = json.loads(shell("customers", "export", "--format", "jsonl").stdout.splitlines()[0])
    assert first == {
        "document_id": "a",
        **profile(name='Ana, la "Gó"\nmez', email="ANA@x.co", phone="+57"),
        "segments": [*GOLD, *ODD],
    }


@pytest.mark.parametrize(
    ("segments", "found"),
    [
        (["membership:GOLD"], ["a"]),
        (["membership:gold"], []),
        (["membership:GOLD", "=1+1:@x"], ["a"]),
        (["membership:GOLD", "membership:SILVER"], []),
        (["a%3Ab%25:" + ODD[0]["value"]], ["a"]),
    ],
)
def test_only_customers_with_all_segments(shell: Shell, segments: list[str], found: list[str]) -> None:
    options = [word for segment in segments for word in ("--segment", segment)]
    lines = shell("customers", "export", "--format", "jsonl", *options).stdout.splitlines()
    assert [json.loads(line)["document_id"] for line in lines] == found


def test_invalid_segment_exits_with_2(shell: Shell) -> None:
    shell("customers", "export", "--segment", "GOLD", exit_code=2)


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_exported_file_can_be_imported(shell: Shell, format_: str) -> None:
    before = all_profiles(), all_segments()
    exported = shell("customers", "export", "--format", format_).stdout_bytes
    reset_database()
    shell("customers", "import", shell.file("again", exported))
    assert (all_profiles(), all_segments()) == before
