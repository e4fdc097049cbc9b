"""What a token's scopes, guard and segment types allow its jobs."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.access.api_tokens import create_token
from app.core.changes.guard import Guard
from app.core.database import now
from tests.support.api_jobs import lines, run, submit
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, set_segments


@pytest.fixture
def guarded(client: FlaskClient) -> Api:
    return Api(client, create_token("guarded", guard=Guard(customers=0)))


@pytest.fixture
def client(app: Any) -> FlaskClient:
    return app.test_client()  # type: ignore[no-any-return]


def test_guard_stops_the_job_before_its_first_batch(guarded: Api) -> None:
    add_customers("a", "b")
    set_segments("a", GOLD)
    job = run(guarded, lines(a=[], b=GOLD))
    assert (job["state"], job["changeSet"]) == ("failed", None)
    assert "1 customer would lose all their segments" in job["error"]
    assert all_segments() == {"a": GOLD, "b": []}
    assert run(guarded, lines(a=[], b=GOLD), Guard="override")["state"] == "done"
    assert all_segments() == {"a": [], "b": GOLD}


def test_token_limited_to_types_replaces_only_these(client: FlaskClient) -> None:
    api = Api(client, create_token("loyalty", types=["membership"]))
    add_customers("a", "b")
    set_segments("a", [{"type": "region", "value": "N"}, *SILVER])
    job = run(api, lines(a=GOLD, b=[{"type": "region", "value": "S"}]))
    assert job["report"]["rejected"] == 1
    assert all_segments() == {"a": [{"type": "region", "value": "N"}, *GOLD], "b": []}
    submit(api, lines(a=GOLD), "action=replace&types=region", status=403, code="FORBIDDEN")


def test_token_limited_to_types_sees_only_its_own_jobs(client: FlaskClient, api: Api) -> None:
    limited = Api(client, create_token("loyalty", types=["membership"]))
    job = submit(api, lines(a=[{"type": "region", "value": "N"}])).headers["Location"]
    limited.get(job, status=403, code="FORBIDDEN")
    limited.get(f"{job}/rejected", status=403, code="FORBIDDEN")
    limited.call("DELETE", job, status=403, code="FORBIDDEN")
    limited.get(submit(limited, lines(a=GOLD)).headers["Location"])


def test_dry_run_and_guard_leave_stale_customers_out(api: Api, guarded: Api) -> None:
    add_customers("a", "b")
    before = now().isoformat().replace("+00:00", "Z")
    set_segments("b", GOLD)
    query = f"action=replace&as_of={before}"
    report = run(api, lines(a=SILVER, b=[]), f"{query}&dry_run=true")["report"]
    assert (report["changed"], report["stale"]) == (1, ["b"])
    assert run(guarded, lines(a=SILVER, b=[]), query)["report"] == report
    assert all_segments() == {"a": SILVER, "b": GOLD}


def test_types_limit_what_is_replaced(api: Api) -> None:
    add_customers("a")
    set_segments("a", [{"type": "region", "value": "N"}, *SILVER])
    run(api, lines(a=GOLD), "action=replace&types=membership")
    assert all_segments() == {"a": [{"type": "region", "value": "N"}, *GOLD]}
    submit(api, lines(a=GOLD), "action=merge&types=membership", status=400, code="VALIDATION_ERROR")


@pytest.mark.parametrize(("scope", "refused"), [("segments:write", "upsert"), ("customers:write", "replace")])
def test_each_action_needs_its_scope(client: FlaskClient, api: Api, scope: str, refused: str) -> None:
    limited = Api(client, create_token("limited", (scope,)))
    submit(limited, lines(a=None), f"action={refused}", status=403, code="FORBIDDEN")
    job = submit(api, lines(a=None), f"action={refused}")
    limited.get(job.headers["Location"], status=403, code="FORBIDDEN")
    limited.call("DELETE", job.headers["Location"], status=403, code="FORBIDDEN")
    limited.get(job.headers["Location"] + "/rejected", status=403, code="FORBIDDEN")
