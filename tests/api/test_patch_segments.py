"""PATCH /api/v3/customers/segments: add and remove, instead of replace (contract §3)."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.core import dialects
from app.core.counts.recount import recount
from app.core.database import db
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, TESTER, WINE, all_segments, set_segments

TOYS = [{"type": "interest", "value": "TOYS"}]
ODD = [{"type": '"', "value": "\\\n😀'\x1f"}]


def patch(api: Api, customers: Any, query: str = "", **kwargs: Any) -> Any:
    url = f"/api/v3/customers/segments{query}"
    return api.call("PATCH", url, json={"customers": customers}, **kwargs).json


def test_adds_and_removes_segments(api: Api, ana: str) -> None:
    set_segments(ana, [*GOLD, *WINE])
    customers = [{"document_id": ana, "add": TOYS, "remove": GOLD}, {"document_id": "x", "add": TOYS}]
    assert patch(api, customers) == {"updatedCustomers": [ana]}
    assert all_segments() == {ana: [*WINE, *TOYS]}


@pytest.mark.parametrize(
    ("had", "add", "remove", "has"),
    [
        pytest.param(GOLD, GOLD, [], GOLD, id="an existing segment is not added again"),
        pytest.param(GOLD, [*WINE, *WINE], [], [*GOLD, *WINE], id="nor twice"),
        pytest.param([*GOLD, *GOLD], WINE, [], [*GOLD, *GOLD, *WINE], id="what is there stays as it is"),
        pytest.param([*GOLD, *WINE, *GOLD], [], GOLD, WINE, id="every equal one is removed"),
        pytest.param(GOLD, [], WINE, GOLD, id="a missing segment is not removed"),
        pytest.param([*GOLD, *WINE], GOLD, GOLD, [*WINE, *GOLD], id="removed first, then added"),
        pytest.param(GOLD, [], GOLD, [], id="to the last"),
        pytest.param([], [*TOYS, *GOLD, *WINE], [], [*TOYS, *GOLD, *WINE], id="in the order sent"),
        pytest.param(GOLD, None, None, GOLD, id="null is nothing"),
        pytest.param([*ODD, *GOLD], WINE, ODD, [*GOLD, *WINE], id="odd characters removed"),
        pytest.param(GOLD, ODD, SILVER, [*GOLD, *ODD], id="odd characters added"),
        pytest.param(GOLD, [], [{"type": "membership", "value": "gold"}], GOLD, id="to the letter"),
    ],
)
def test_merges(api: Api, ana: str, had: Any, add: Any, remove: Any, has: Any) -> None:
    set_segments(ana, had)
    report = patch(api, [{"document_id": ana, "add": add, "remove": remove}], "?report=true")["report"]
    assert report["changed"] == (had != has)
    assert all_segments() == {ana: has}
    assert recount(TESTER) == []
    assert api.replace([{"document_id": ana, "segments": has}], "?report=true").json["report"]["unchanged"] == 1


def test_takes_the_first_of_several_entries(api: Api, ana: str) -> None:
    entries = [{"document_id": ana, "add": GOLD}, {"document_id": ana, "add": WINE}]
    assert patch(api, entries, "?report=true")["report"]["duplicates"] == [ana]
    assert all_segments() == {ana: GOLD}


def test_a_dry_run_changes_nothing(api: Api, ana: str) -> None:
    report = patch(api, [{"document_id": ana, "add": GOLD}], "?dry_run=true")["report"]
    assert (report["changed"], report["changeSet"]) == (1, None)
    assert all_segments() == {ana: []}


@pytest.mark.parametrize(
    ("customers", "path"),
    [
        ([], "customers"),
        ([{"add": []}], "customers[0].document_id"),
        ([{"document_id": "1", "add": {}}], "customers[0].add"),
        ([{"document_id": "1", "add": [{"type": "t"}]}], "customers[0].add[0].value"),
        ([{"document_id": "1", "remove": [7]}], "customers[0].remove[0]"),
        (["x"], "customers[0]"),
    ],
)
def test_refuses_the_wrong_shape(api: Api, customers: Any, path: str) -> None:
    error = patch(api, customers, status=400, code="VALIDATION_ERROR")["error"]
    assert error["details"][0]["path"] == path


def _pairs(type_: str, count: int) -> list[dict[str, str]]:
    return [{"type": type_, "value": str(n)} for n in range(count)]


def test_a_patch_of_thousands_of_segments_works(api: Api, ana: str) -> None:
    """Fault B3: 4,000 segments to remove and 4,000 to add took 50 s, holding SQLite's only writer."""
    set_segments(ana, _pairs("old", 4_000))
    patch(api, [{"document_id": ana, "add": _pairs("new", 4_000), "remove": _pairs("old", 4_000)}])
    assert all_segments() == {ana: _pairs("new", 4_000)}


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_the_work_of_a_patch_grows_with_its_segments_not_with_their_square(app: Flask) -> None:
    def steps(count: int) -> int:
        ticks: list[None] = []
        segments, add, remove = (dialects.json_value(_pairs(type_, count)) for type_ in ("old", "new", "old"))
        with db.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.set_progress_handler(lambda: ticks.append(None), 1_000)
            connection.execute(select(dialects.patch_segments(segments, add=add, remove=remove)))
            driver.set_progress_handler(None, 0)
        return len(ticks)

    assert steps(2_000) < 3 * steps(1_000)
