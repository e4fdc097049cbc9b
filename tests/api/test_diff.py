"""Comparing what another system holds with what is stored, over the API and by command."""

import gzip
import json
from pathlib import Path

import pytest

from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, Segments, add_customers, all_segments, set_segments
from tests.support.query_log import capture_queries

URL = "/api/v3/diff"


@pytest.fixture(autouse=True)
def shop(app: object) -> None:
    add_customers("a", "b", "c", "d")
    for document_id in "abc":
        set_segments(document_id, GOLD)


def lines(**segments: Segments | None) -> bytes:
    return b"\n".join(json.dumps({"document_id": id_, "segments": value}).encode() for id_, value in segments.items())


SNAPSHOT = {"a": GOLD, "b": SILVER, "c": [], "d": [], "x": GOLD}
DIFFERENCES = [
    {"document_id": "b", "sent": SILVER, "stored": GOLD},
    {"document_id": "c", "sent": [], "stored": GOLD},
    {"document_id": "x", "sent": GOLD, "stored": None},
]


@pytest.mark.parametrize("compress", [False, True])
def test_differences_are_named_and_nothing_is_written(api: Api, compress: bool) -> None:
    body = gzip.compress(lines(**SNAPSHOT)) if compress else lines(**SNAPSHOT)
    headers = {"Content-Type": "application/x-ndjson", **({"Content-Encoding": "gzip"} if compress else {})}
    before = all_segments()
    with capture_queries() as statements:
        result = api.call("POST", URL, data=body, headers=headers).json
    assert result == {"differences": DIFFERENCES, "next": None}
    assert not [statement for statement in statements if statement.startswith(("INSERT INTO c", "UPDATE c", "DELETE"))]
    assert all_segments() == before


def test_json_body_and_csv_are_compared(api: Api) -> None:
    customers = [{"document_id": id_, "segments": segments} for id_, segments in SNAPSHOT.items()]
    assert api.call("POST", URL, json={"customers": customers}).json["differences"] == DIFFERENCES
    csv = b"document_id,type,value\na,membership,GOLD\nb,membership,SILVER\n"
    result = api.call("POST", URL, data=csv, headers={"Content-Type": "text/csv"}).json
    assert result["differences"] == DIFFERENCES[:1]


def test_pages_follow_by_cursor_with_the_same_body(api: Api) -> None:
    headers, found, cursor = {"Content-Type": "application/x-ndjson"}, [], ""
    for _page in range(3):
        result = api.call("POST", f"{URL}?limit=1&cursor={cursor}", data=lines(**SNAPSHOT), headers=headers).json
        found += result["differences"]
        cursor = result["next"]
    assert (found, cursor) == (DIFFERENCES, None)


def test_order_of_segments_is_a_difference(api: Api) -> None:
    set_segments("a", [*GOLD, *SILVER])
    customers = [{"document_id": "a", "segments": [*SILVER, *GOLD]}]
    assert len(api.call("POST", URL, json={"customers": customers}).json["differences"]) == 1


def test_rows_with_errors_are_refused(api: Api) -> None:
    headers = {"Content-Type": "application/x-ndjson"}
    body = lines(a=GOLD) + b'\n{"document_id": "b"}'
    result = api.call("POST", URL, data=body, headers=headers, status=400, code="VALIDATION_ERROR").json
    assert result["error"]["details"][0]["path"] == "line 2"
    api.call("POST", URL, data=b"", headers=headers, status=400, code="UNREADABLE_FILE")
    api.call(
        "POST", URL, data=b"x", headers={"Content-Type": "application/xml"}, status=415, code="UNSUPPORTED_MEDIA_TYPE"
    )


def test_by_command(shell: Shell) -> None:
    path = Path(shell.folder) / "night.jsonl"
    path.write_bytes(lines(**SNAPSHOT))
    result = shell("segments", "diff", str(path), exit_code=1)
    assert [json.loads(line) for line in result.stdout.splitlines()] == DIFFERENCES
    assert "5 customers compared, 3 differ." in result.stderr
    path.write_bytes(lines(a=GOLD, d=None))
    assert shell("segments", "diff", str(path)).stdout == ""
