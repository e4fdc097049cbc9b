"""A mirror that follows the change feed equals the service, from zero and from a snapshot: contract §8."""

import json
import random
from typing import Any

import pytest
from flask import Flask

from app.access.api_tokens import SCOPES, create_token
from app.core.counts.recount import recount
from tests.support.clients import Api
from tests.support.customers import TESTER, all_segments
from tests.support.feed import Mirror, follow, read_all, stored_customers
from tests.support.random_changes import SEGMENTS, RandomChanges


@pytest.fixture
def caller(app: Flask) -> Api:
    return Api(app.test_client(), create_token("mirror", SCOPES))


def export(api: Api, query: str = "") -> tuple[Mirror, str]:
    response = api.get("/api/v3/customers/export" + query)
    customers: Mirror = {}
    for line in response.text.splitlines():
        customer = json.loads(line)
        customers[customer.pop("document_id")] = customer
    return customers, response.headers["Change-Cursor"]


@pytest.mark.parametrize("seed", range(4))
def test_followers_from_zero_and_from_a_snapshot_equal_the_service(app: Flask, caller: Api, seed: int) -> None:
    rng = random.Random(seed)
    random_changes = RandomChanges(app, caller, rng)
    zero: Mirror = {}
    place: str | None = None
    snapshot: Mirror = {}
    snapshot_place: str | None = None
    seen: dict[str, Any] = {}
    for step in range(60):
        random_changes.make_one()
        if step % 7 == 3:
            changes, place = read_all(caller, place, limit=rng.randint(1, 5))
            follow(zero, changes)
            assert not set(seen) & {change["id"] for change in changes}, "none twice"
            seen |= {change["id"]: change for change in changes}
        if step == 30:
            snapshot, snapshot_place = export(caller)
            assert snapshot == stored_customers()
    follow(zero, read_all(caller, place)[0])
    follow(snapshot, read_all(caller, snapshot_place, limit=3)[0])
    assert zero == stored_customers()
    assert snapshot == stored_customers()
    assert follow({}, read_all(caller)[0]) == stored_customers(), "a follower that begins after the erasures"
    for change in read_all(caller)[0]:
        assert seen.get(change["id"], change) == change, "an entry never changes"
    assert recount(TESTER) == []


def test_a_follower_goes_on_while_its_past_is_pruned(app: Flask, caller: Api) -> None:
    changes = RandomChanges(app, caller, random.Random(5))
    for _ in range(20):
        changes.make_one()
    entries, place = read_all(caller)
    mirror = follow({}, entries)
    changes.prune()
    for _ in range(20):
        changes.make_one()
    follow(mirror, read_all(caller, place)[0])
    assert mirror == stored_customers()


def test_the_snapshot_takes_the_filters_of_the_list(caller: Api) -> None:
    upsert_rows = [{"document_id": id_, "name": f"Name {id_}"} for id_ in "abc"]
    caller.call("POST", "/api/v3/customers", json={"customers": upsert_rows})
    caller.replace([{"document_id": "a", "segments": SEGMENTS[:1]}, {"document_id": "b", "segments": SEGMENTS[1:2]}])
    assert set(export(caller, "?segment=m:1")[0]) == {"a"}
    assert set(export(caller, "?without=m:1")[0]) == {"b", "c"}
    assert set(export(caller, "?has=none")[0]) == {"c"}
    assert set(export(caller, "?q=name+b")[0]) == {"b"}
    assert all_segments()["a"] == export(caller)[0]["a"]["segments"]


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_the_snapshot_does_not_see_what_commits_while_it_is_read(caller: Api, app: Flask) -> None:
    caller.call("POST", "/api/v3/customers", json={"customers": [{"document_id": f"{n:05}"} for n in range(5_000)]})
    response = app.test_client().get("/api/v3/customers/export", headers=caller.headers, buffered=False)
    lines = iter(response.response)
    first = next(lines)
    caller.call("POST", "/api/v3/customers", json={"customers": [{"document_id": "later"}]})
    ids = [json.loads(line)["document_id"] for line in [first, *lines]]
    assert ids == [f"{n:05}" for n in range(5_000)]
    changes, _ = read_all(caller, response.headers["Change-Cursor"])
    assert [change["document_id"] for change in changes] == ["later"]
