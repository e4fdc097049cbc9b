"""Idempotency-Key: a request done once, and answered each time it comes (contract §2)."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from app.access import idempotency
from app.access.api_tokens import create_token
from app.api import writes
from app.core.database import now, run_in_transaction
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, all_segments, count_change_sets, set_segments

KEY = {"Idempotency-Key": "night 2026-11-23"}


def test_repeat_returns_the_first_response_and_changes_nothing(api: Api, ana: str) -> None:
    rows = [{"document_id": ana, "segments": GOLD}, {"document_id": "nobody", "segments": []}]
    first = api.replace(rows, "?report=true", headers=KEY)
    set_segments(ana, SILVER)
    again = api.replace(rows, "?report=true", headers=KEY)
    assert (again.json, again.headers["Change-Set"]) == (first.json, first.headers["Change-Set"])
    assert again.mimetype == "application/json"
    assert all_segments() == {ana: SILVER}, "it was not done again"


def test_the_key_is_bound_to_the_query(api: Api, ana: str) -> None:
    """Contract §8: to token, method, path, query and body."""
    customers = [{"document_id": ana, "segments": GOLD}]
    first = api.replace(customers, "?report=true&unknown=1", headers=KEY)
    set_segments(ana, SILVER)
    for query in ("", "?report=true&unknown=2", "?report=true&unknown=1&as_of=2001-02-03T04:05:06Z"):
        api.replace(customers, query, headers=KEY, status=422, code="IDEMPOTENCY_MISMATCH")
    again = api.replace(customers, "?unknown=1&report=true", headers=KEY)
    assert (again.json, again.headers["Change-Set"]) == (first.json, first.headers["Change-Set"])
    assert all_segments() == {ana: SILVER}


def test_replayed_response_is_marked(api: Api, ana: str) -> None:
    customers = [{"document_id": ana, "segments": GOLD}]
    assert "Idempotent-Replayed" not in api.replace(customers, headers=KEY).headers
    assert api.replace(customers, headers=KEY).headers["Idempotent-Replayed"] == "true"


def test_upserts_are_done_once(api: Api) -> None:
    body = {"customers": [{"document_id": "new"}]}
    first = api.call("POST", "/api/v3/customers", json=body, headers=KEY)
    again = api.call("POST", "/api/v3/customers", json=body, headers=KEY)
    assert again.json == first.json == {"created": 1, "updated": 0, "unchanged": 0}
    assert again.headers["Change-Set"] == first.headers["Change-Set"]
    api.call("POST", "/api/v3/customers?dry_run=true", json=body, headers=KEY)


def test_a_revert_is_done_once(api: Api, ana: str) -> None:
    api.replace([{"document_id": ana, "segments": GOLD}])
    first = api.call("POST", "/api/v3/change-sets/1/revert", headers=KEY)
    again = api.call("POST", "/api/v3/change-sets/1/revert", headers=KEY)
    assert again.json == first.json
    assert again.headers["Change-Set"] == first.headers["Change-Set"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert count_change_sets() == 2


def test_without_a_key_each_request_counts(api: Api, ana: str) -> None:
    for segments in (GOLD, SILVER, GOLD):
        api.replace([{"document_id": ana, "segments": segments}])
    assert count_change_sets() == 3


def test_another_request_with_the_same_key_is_refused(api: Api, ana: str) -> None:
    api.replace([{"document_id": ana, "segments": GOLD}], headers=KEY)
    refused: dict[str, Any] = {"status": 422, "code": "IDEMPOTENCY_MISMATCH", "headers": KEY}
    api.replace([{"document_id": ana, "segments": SILVER}], **refused)
    patch = {"customers": [{"document_id": ana, "add": SILVER, "remove": []}]}
    api.call("PATCH", "/api/v3/customers/segments", json=patch, **refused)
    assert all_segments() == {ana: GOLD}


def test_a_key_belongs_to_its_token(app: Flask, api: Api, ana: str) -> None:
    api.replace([{"document_id": ana, "segments": GOLD}], headers=KEY)
    Api(app.test_client(), create_token("other")).replace([{"document_id": ana, "segments": SILVER}], headers=KEY)
    assert all_segments() == {ana: SILVER}


def date_key(age: timedelta) -> None:
    values = {"created_at": now() - age}
    run_in_transaction(lambda session: session.execute(update(idempotency.IdempotencyKey).values(values)))


def test_key_expires_after_a_day(api: Api, ana: str) -> None:
    api.replace([{"document_id": ana, "segments": GOLD}], headers=KEY)
    date_key(timedelta(hours=23))
    api.replace([{"document_id": ana, "segments": SILVER}], headers=KEY, status=422, code="IDEMPOTENCY_MISMATCH")
    date_key(timedelta(hours=25))
    api.replace([{"document_id": ana, "segments": SILVER}], headers=KEY)
    assert all_segments() == {ana: SILVER}


def test_a_refusal_and_a_dry_run_use_up_no_key(api: Api, ana: str) -> None:
    api.replace([], headers=KEY, status=400, code="VALIDATION_ERROR")
    api.replace([{"document_id": ana, "segments": GOLD}], "?dry_run=true", headers=KEY)
    api.replace([{"document_id": ana, "segments": GOLD}], headers=KEY)
    assert all_segments() == {ana: GOLD}


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é"])
def test_a_key_is_printable_and_not_too_long(api: Api, ana: str, key: str) -> None:
    rows = [{"document_id": ana, "segments": GOLD}]
    error: Any = api.replace(rows, headers={"Idempotency-Key": key}, status=400, code="VALIDATION_ERROR").json
    assert error["error"]["details"][0]["path"] == "Idempotency-Key"
    api.replace(rows, headers={"Idempotency-Key": "~ " * 127 + "x"})


def test_concurrent_requests_with_one_key_run_once_with_equal_responses(app: Flask, api: Api, ana: str) -> None:
    answers: list[Any] = []

    def send() -> None:
        client = Api(app.test_client(), api.headers["Authorization"].removeprefix("Bearer "))
        response = client.replace([{"document_id": ana, "segments": GOLD}], "?report=true", headers=KEY)
        answers.append((response.json, response.headers["Change-Set"]))

    callers = [threading.Thread(target=send) for _ in range(5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(answers) == 5
    assert all(response == answers[0] for response in answers)
    assert count_change_sets() == 1


def test_replays_after_a_crash_before_the_response(api: Api, ana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise SystemExit

    rows = [{"document_id": ana, "segments": GOLD}]
    with monkeypatch.context() as dying:
        dying.setattr(writes, "_respond", die)  # what comes right after the commit
        with pytest.raises(SystemExit):
            api.replace(rows, "?report=true", headers=KEY)
    assert all_segments() == {ana: GOLD}
    result: Any = api.replace(rows, "?report=true", headers=KEY).json
    assert result["updatedCustomers"] == [ana]
    assert result["report"]["changed"] == 1
    assert count_change_sets() == 1
