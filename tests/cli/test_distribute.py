"""flask db distribute: the layout on a Citus coordinator, refusals elsewhere, and what the service does in it.

With TEST_CITUS_URL, all tests that have an `app` run on a real cluster, too.
"""

from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import inspect, text

from app.access.api_tokens import create_token
from app.core.changes.document_ids import rename_customer
from app.core.changes.erasure import erase_customers
from app.core.changes.revert import revert
from app.core.counts.recount import recount
from app.core.database import db
from app.core.history.customer_history import customer_history
from app.core.history.timeline import timeline
from app.core.models.customer_changes import CustomerChange
from app.core.models.customers import get_customer
from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, TESTER, WINE, add_customers, all_segments, set_segments
from tests.support.databases import administer, another_database, app_on
from tests.support.fake_citus import STATEMENTS


@pytest.fixture
def coordinator(database_urls: dict[str, str]) -> Iterator[Flask]:
    """An application on a database that answers as a Citus coordinator with two workers."""
    with another_database(database_urls["postgresql"], "citus") as url:
        administer(url, *STATEMENTS)
        with app_on(url) as app:
            flask_migrate.upgrade()
            yield app


@pytest.mark.parametrize("app", ["sqlite", "postgresql"], indirect=True)
def test_refuses_another_database(shell: Shell) -> None:
    before = keys()
    assert "not that of a Citus coordinator. Nothing was changed" in shell("db", "distribute", exit_code=2).stderr
    assert keys() == before


def keys() -> dict[str, list[str]]:
    db.session.remove()
    names = ("customers", "customer_search", "customer_changes")
    return {name: inspect(db.engine).get_pk_constraint(name)["constrained_columns"] for name in names}


def test_lays_the_tables_out_once_and_says_how(coordinator: Flask, tmp_path: Path) -> None:
    shell = Shell(coordinator, tmp_path)
    assert "are distributed: 32 shards by document_id, on 2 workers" in shell("db", "distribute").stderr
    assert "are distributed already: 32 shards" in shell("db", "distribute").stderr
    assert all("document_id" in key for key in keys().values())
    calls = db.session.scalars(text("SELECT call FROM calls ORDER BY number")).all()
    assert calls[:4] == [
        "replicate change_set_parts",
        "distribute customers by document_id with none",
        "distribute customer_search by document_id with customers",
        "distribute customer_changes by document_id with customers",
    ]
    assert {call.split()[1] for call in calls if call.startswith("truncate")} == {*keys(), "change_set_parts"}


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ("DELETE FROM pg_dist_node WHERE shouldhaveshards", "has no workers"),
        ("DELETE FROM pg_dist_node WHERE groupid = 0", "Tell the coordinator its address"),
        ("INSERT INTO pg_dist_node VALUES (9)", "a worker of the Citus cluster"),
    ],
)
def test_says_what_a_cluster_lacks(coordinator: Flask, tmp_path: Path, nodes: str, problem: str) -> None:
    with db.engine.begin() as connection:
        connection.execute(text(nodes))
    before = keys()
    assert problem in Shell(coordinator, tmp_path)("db", "distribute", exit_code=2).stderr
    assert keys() == before


def test_everything_goes_on_in_the_layout(coordinator: Flask, tmp_path: Path) -> None:
    add_customers("1", "2", "3", name="Ana")
    set_segments("1", SILVER)
    Shell(coordinator, tmp_path)("db", "distribute")
    api = Api(coordinator.test_client(), create_token("crm"))
    saved = [{"document_id": "1", "name": "Ana Gómez"}, {"document_id": "2", "name": "Ana"}, {"document_id": "4"}]
    assert api.call("POST", "/api/v3/customers", json={"customers": saved}).json == {
        "created": 1,
        "updated": 1,
        "unchanged": 1,
    }
    rename_customer("1", "one", TESTER)
    set_segments("one", GOLD)
    api.call("POST", "/api/v3/customers/segments?types=interest", json=body("one", WINE))
    assert all_segments() == {"one": [*GOLD, *WINE], "2": [], "3": [], "4": []}
    assert [step.after for step in timeline("one", limit=9)] == [[*GOLD, *WINE], GOLD, SILVER]
    assert [entry.change.kind for entry in customer_history("one", limit=9).entries] == [
        "segments",
        "segments",
        "renamed",
        "profile",
        "segments",
    ]
    revert(db.session.scalars(text("SELECT max(id) FROM change_sets WHERE note LIKE 'Changes the%'")).one(), TESTER)
    assert get_customer("1").segments == [*GOLD, *WINE]
    assert len(api.get("/api/v3/customers/export").data.splitlines()) == len(all_segments())
    assert erase_customers(["1"], TESTER).erased == 1
    assert {entry.kind for entry in db.session.query(CustomerChange)} == {"created", "deleted"}
    assert recount(TESTER) == []


def test_the_feed_waits_for_a_worker_that_failed_while_it_committed(coordinator: Flask) -> None:
    """Its entries of a part would be missing, and the cursor beyond them."""
    api = Api(coordinator.test_client(), create_token("crm"))
    administer(db.engine.url, "INSERT INTO unsettled VALUES ('citus_0_1')")
    for url in ("/api/v3/changes", "/api/v3/customers/export"):
        api.get(url, status=503, code="UNAVAILABLE")
    administer(db.engine.url, "DELETE FROM unsettled")
    for url in ("/api/v3/changes", "/api/v3/customers/export"):
        assert api.get(url).data is not None


def body(document_id: str, segments: list[dict[str, str]]) -> dict[str, object]:
    return {"customers": [{"document_id": document_id, "segments": segments}]}
