"""Undoing a change set, by API and by command: contract §3 and §5."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.access.api_tokens import create_token
from app.core.changes.change_set_builder import open_part, reserve_change_set
from app.core.changes.document_ids import rename_customer
from app.core.changes.guard import Guard
from app.core.changes.replace_segments import replace_segments_in
from app.core.changes.revert import revert
from app.core.changes.segment_updates import PreparedUpdate
from app.core.counts.recount import recount
from app.core.database import run_in_transaction
from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, TESTER, Segments, add_customers, all_segments, set_segments

URL = "/api/v3/change-sets/{}/revert"


def undo(api: Api, change_set: str, query: str = "") -> Any:
    return api.call("POST", URL.format(change_set) + query).json


def replaced(api: Api, segments: Any, *document_ids: str) -> str:
    return api.replace([{"document_id": id_, "segments": segments} for id_ in document_ids]).headers["Change-Set"]


def test_restores_the_segments_before_the_change_set(api: Api) -> None:
    add_customers("a", "b", "c")
    set_segments("b", SILVER)
    nightly = replaced(api, GOLD, "a", "b", "c")
    set_segments("c", SILVER)
    assert undo(api, nightly) == {"changed": 2, "unchanged": 0, "conflicts": ["c"], "changeSet": "4"}
    assert all_segments() == {"a": [], "b": SILVER, "c": SILVER}
    assert recount(TESTER) == []
    assert api.get("/api/v3/change-sets/4").json["reverts"] == nightly


def test_an_undo_can_be_undone(api: Api, ana: str) -> None:
    nightly = replaced(api, GOLD, ana)
    first = undo(api, nightly)["changeSet"]
    assert all_segments() == {ana: []}
    undo(api, first)
    assert all_segments() == {ana: GOLD}


def test_a_dry_run_previews_and_changes_nothing(api: Api) -> None:
    add_customers("a", "b")
    nightly = replaced(api, GOLD, "a", "b")
    set_segments("b", SILVER)
    preview = undo(api, nightly, "?dry_run=true")
    assert preview == {"changed": 1, "unchanged": 0, "conflicts": ["b"], "changeSet": None}
    assert all_segments() == {"a": GOLD, "b": SILVER}
    assert undo(api, nightly) | {"changeSet": None} == preview


def test_customer_already_as_before_is_no_conflict(api: Api, ana: str) -> None:
    nightly = replaced(api, GOLD, ana)
    undo(api, nightly)
    assert undo(api, nightly) == {"changed": 0, "unchanged": 1, "conflicts": [], "changeSet": None}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("id_", ["0", "99", "9" * 18, "9" * 40, "x", "-1", "1.0"])
def test_unknown_change_sets_are_not_found(api: Api, method: str, id_: str) -> None:
    url = URL.format(id_) if method == "POST" else f"/api/v3/change-sets/{id_}"
    api.call(method, url, status=404, code="NOT_FOUND")


def test_change_set_has_its_totals(api: Api) -> None:
    add_customers("a", "b")
    set_segments("b", GOLD)
    nightly = replaced(api, GOLD, "a", "b", "x")
    change_set = api.get(f"/api/v3/change-sets/{nightly}").json
    assert change_set.pop("at").endswith("Z")
    assert change_set == {
        "id": nightly,
        "actor": "token crm-nightly",
        "source": "api",
        "note": None,
        "reverts": None,
        "changed": 1,
        "unchanged": 1,
        "created": 0,
        "updated": 0,
        "state": "done",
    }


def test_by_command(api: Api, shell: Shell) -> None:
    add_customers("a", "b")
    nightly = replaced(api, GOLD, "a", "b")
    set_segments("b", SILVER)
    dry = shell("changes", "revert", nightly, "--dry-run")
    assert "1 customer would be restored" in dry.stderr
    assert dry.stdout == "b\n"
    assert all_segments() == {"a": GOLD, "b": SILVER}
    assert shell("changes", "revert", nightly).stdout == "b\n"
    assert all_segments() == {"a": [], "b": SILVER}
    shell("changes", "revert", "99", exit_code=2)


def test_many_customers_in_several_parts(api: Api, shell: Shell) -> None:
    add_customers(*(f"{n:05}" for n in range(45_000)))
    customers = [{"document_id": f"{n:05}", "segments": GOLD} for n in range(45_000)]
    nightly = api.replace(customers).headers["Change-Set"]
    set_segments("00000", SILVER)
    set_segments("20000", SILVER)
    result = revert(int(nightly), TESTER)
    assert (result.customers, result.conflicts) == (44_998, ["00000", "20000"])
    assert recount(TESTER) == []
    assert sum(bool(segments) for segments in all_segments().values()) == 2


def by_type(segments: Segments) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for segment in segments:
        values.setdefault(segment["type"], []).append(segment["value"])
    return values


def differing(before: Segments, after: Segments) -> set[str]:
    old, new = by_type(before), by_type(after)
    return {type_ for type_ in {*old, *new} if old.get(type_) != new.get(type_)}


def expected_revert(before: Segments, after: Segments, now: Segments) -> str:
    """What a revert of a change must do to a customer who has other segments by now."""
    touched = differing(before, after)
    if not touched & differing(now, after):
        return "changed"
    return "unchanged" if not touched & differing(now, before) else "conflict"


def test_the_twelfth_month_of_a_real_shop(months: list[Path], shell: Shell) -> None:
    """Types that were not touched since are as the eleventh month left them; edits by hand of another type stay."""
    change_sets = []
    states = []
    for month in months[-3:]:
        change_sets.append(orjson.loads(shell("segments", "apply", str(month)).stdout)["changeSet"])
        states.append(all_segments())
    eleventh, twelfth, last = states[0], states[1], states[-1]
    touched = [id_ for id_ in twelfth if eleventh[id_] != twelfth[id_]]
    still = [id_ for id_ in touched if last[id_] == twelfth[id_]]
    edited = {id_: [*last[id_], {"type": "note", "value": "CALLED"}] for id_ in still[:5]}
    for document_id, segments in edited.items():
        set_segments(document_id, segments)
    before = all_segments()

    undone = revert(int(change_sets[1]), TESTER)

    kinds = {id_: expected_revert(eleventh[id_], twelfth[id_], before[id_]) for id_ in touched}
    restored = {id_ for id_, kind in kinds.items() if kind == "changed"}
    assert set(still) <= restored
    assert undone.changed == len(restored)
    assert set(undone.conflicts) == {id_ for id_, kind in kinds.items() if kind == "conflict"}
    assert undone.unchanged == len(touched) - len(restored) - len(undone.conflicts)
    after = all_segments()
    for document_id, segments in after.items():
        types = differing(eleventh[document_id], twelfth[document_id]) if document_id in restored else set()
        assert by_type(segments) == {
            **{type_: values for type_, values in by_type(before[document_id]).items() if type_ not in types},
            **{type_: values for type_, values in by_type(eleventh[document_id]).items() if type_ in types},
        }
    assert {id_: after[id_] for id_ in still[5:]} == {id_: eleventh[id_] for id_ in still[5:]}
    assert all(after[id_][-1] == {"type": "note", "value": "CALLED"} for id_ in edited)

    assert undone.change_set_id
    again = revert(undone.change_set_id, TESTER)
    assert again.conflicts == []
    assert all_segments() == before
    assert recount(TESTER) == []


NOTE = {"type": "note", "value": "CALLED"}


def test_later_changes_of_other_types_stay(api: Api, ana: str) -> None:
    """Fault A9: a tag added afterwards no longer keeps the nightly set from being reverted."""
    set_segments(ana, [*SILVER, NOTE])
    nightly = replaced(api, [*GOLD, NOTE], ana)
    set_segments(ana, [*GOLD, NOTE, {"type": "tag", "value": "X"}])
    assert undo(api, nightly)["conflicts"] == []
    assert all_segments() == {ana: [*SILVER, NOTE, {"type": "tag", "value": "X"}]}


def test_a_later_change_of_a_touched_type_is_a_conflict_and_leaves_the_customer_alone(api: Api, ana: str) -> None:
    nightly = replaced(api, [*GOLD, NOTE], ana)
    set_segments(ana, [*SILVER, NOTE])
    assert undo(api, nightly) == {"changed": 0, "unchanged": 0, "conflicts": [ana], "changeSet": None}
    assert all_segments() == {ana: [*SILVER, NOTE]}


def test_a_conflict_in_the_profile_leaves_the_segments_alone(api: Api, shell: Shell) -> None:
    add_customers("1", name="Ana")
    content = '{"document_id": "1", "name": "Anna", "segments": [{"type": "membership", "value": "GOLD"}]}'
    shell("customers", "import", shell.file("c.jsonl", content))
    api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": "1", "name": "Annie"}]})
    assert revert(1, TESTER).conflicts == ["1"]
    assert all_segments() == {"1": GOLD}
    api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": "1", "name": "Anna", "phone": "7"}]})
    assert revert(1, TESTER).conflicts == []
    customer = api.get("/api/v3/customers").json["customers"][0]
    assert (customer["name"], customer["phone"], customer["segments"]) == ("Ana", "7", [])


def test_the_guard_of_the_token_holds_for_a_revert(app: Flask) -> None:
    """Fault A8: a revert that empties 20 customers, by a token that may empty 2."""
    ids = [f"{n}" for n in range(20)]
    add_customers(*ids)
    guarded = Api(app.test_client(), create_token("guarded", guard=Guard(customers=2)))
    nightly = replaced(guarded, GOLD, *ids)
    refused: Any = guarded.client.post(URL.format(nightly), headers=guarded.headers)
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "CHANGE_TOO_LARGE")
    assert refused.json["report"]["changed"] == 20
    assert all(all_segments().values())
    guarded.call("POST", URL.format(nightly), headers={"Guard": "override"})
    assert not any(all_segments().values())


@pytest.mark.parametrize(("old", "new"), [("z1", "a1"), ("a1", "z1")])
def test_a_reverted_rename_is_no_conflict(api: Api, old: str, new: str) -> None:
    """Fault G8: the old id sorts after the new one."""
    add_customers(old)
    set_segments(old, GOLD)
    renamed = rename_customer(old, new, TESTER)
    result = undo(api, str(renamed))
    assert (result["changed"], result["conflicts"]) == (1, [])
    assert all_segments() == {old: GOLD}


def test_a_reverted_rename_is_a_conflict_when_the_old_id_is_used_again(api: Api) -> None:
    add_customers("1")
    renamed = rename_customer("1", "2", TESTER)
    add_customers("1")
    assert undo(api, str(renamed))["conflicts"] == ["2"]
    assert set(all_segments()) == {"1", "2"}


def test_a_change_set_of_several_parts_ends_before_it_can_be_reverted(api: Api) -> None:
    add_customers("1", "2")

    def part(change_set_id: int, document_id: str, state: str) -> None:
        def work(session: Session) -> None:
            with open_part(session, change_set_id, TESTER, state=state) as builder:
                replace_segments_in(builder, PreparedUpdate.of({document_id: GOLD}))

        run_in_transaction(work)

    change_set_id = run_in_transaction(lambda session: reserve_change_set(session, TESTER, note="Job"))
    part(change_set_id, "1", "applying")
    applying = api.get(f"/api/v3/change-sets/{change_set_id}").json
    assert (applying["state"], applying["changed"]) == ("applying", 1)
    api.call("POST", URL.format(change_set_id), status=409, code="CHANGE_SET_NOT_ENDED")
    part(change_set_id, "2", "done")
    done = api.get(f"/api/v3/change-sets/{change_set_id}").json
    assert (done["state"], done["changed"]) == ("done", 2)
    assert undo(api, str(change_set_id))["changed"] == 2
    assert all_segments() == {"1": [], "2": []}
    changes = api.get("/api/v3/changes").json["changes"]
    assert [change["changeSet"] for change in changes] == ["1", "1", "2", "2"]
    assert recount(TESTER) == []
