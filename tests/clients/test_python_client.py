"""The Python client against the application: each method, retries, batches, the change feed and webhooks."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue

import httpx
import pytest
from customer_segments import ApiError, Client, JobFailed, Page, Segment, transport
from flask import Flask

from app.access.api_tokens import create_token
from app.webhooks.models import list_deliveries
from bench.servers.gunicorn import SECRET_KEY, serving
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, set_segments
from tests.support.imports import run_job
from tests.support.webhooks import documented

GOLD_MEMBER, SILVER_MEMBER = Segment("membership", "GOLD"), Segment("membership", "SILVER")

Respond = Callable[[httpx.Request], httpx.Response | None]


class Network(httpx.BaseTransport):
    """Reaches the application in this process; `interfere` can answer or break a request instead."""

    def __init__(self, app: Flask) -> None:
        self.application, self.requests = httpx.WSGITransport(app=app), 0
        self.interfere: Respond = lambda _request: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        response = self.interfere(request)
        return response if response is not None else self.application.handle_request(request)


@pytest.fixture
def network(app: Flask) -> Network:
    return Network(app)


@pytest.fixture
def client(network: Network, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(transport, "MAX_DELAY_S", 0.0)
    with Client("http://localhost", create_token("python"), max_attempts=4, transport=network) as client:
        yield client


def test_replace_returns_the_customers_who_exist(client: Client, ana: str) -> None:
    result = client.replace_segments({ana: [GOLD_MEMBER], "222-133": []}, report=True)
    assert result.updated == [ana]
    assert result.change_set
    assert result.report
    assert result.report["notFound"] == ["222-133"]
    assert client.get_segments(document_id=ana) == [GOLD_MEMBER]
    assert client.get_segments(email="ana@example.com") == [GOLD_MEMBER]


def test_a_dry_run_changes_nothing(client: Client, ana: str) -> None:
    assert client.replace_segments({ana: [GOLD_MEMBER]}, dry_run=True).change_set is None
    assert all_segments() == {ana: []}


def test_patch_adds_and_removes(client: Client, ana: str) -> None:
    set_segments(ana, GOLD)
    client.patch_segments(add={ana: [SILVER_MEMBER]}, remove={ana: [GOLD_MEMBER]})
    assert all_segments() == {ana: SILVER}


def test_as_of_skips_customers_changed_later(client: Client, ana: str) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    set_segments(ana, GOLD)
    assert client.replace_segments({ana: []}, as_of=before).updated == []
    with pytest.raises(ValueError, match="time zone"):
        client.replace_segments({ana: []}, as_of=datetime(2026, 1, 1))  # noqa: DTZ001 - refused


@pytest.mark.parametrize("segment", [GOLD_MEMBER, Segment("a/b %2F", ".."), Segment("%", "")])
def test_members_of_a_segment_are_set(client: Client, ana: str, segment: Segment) -> None:
    preview = client.set_members(segment, [ana, "unknown"], dry_run=True)
    assert (preview.added, preview.not_found, preview.change_set) == (1, ["unknown"], None)
    result = client.set_members(segment, (id_ for id_ in [ana]))
    assert (result.added, result.removed, result.unchanged) == (1, 0, 0)
    assert result.change_set
    assert client.get_segments(document_id=ana) == [segment]
    assert list(client.iter_members(segment)) == [ana]
    assert list(client.iter_members(segment, at=datetime.now(UTC) - timedelta(hours=1))) == []
    assert client.set_members(segment, []).removed == 1
    assert all_segments() == {ana: []}


@pytest.fixture
def worker(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the next job whenever the client waits."""

    def work(_seconds: float) -> None:
        with app.app_context():
            run_job()

    monkeypatch.setattr("customer_segments.client.time.sleep", work)


@pytest.mark.usefixtures("worker")
def test_jobs_are_waited_for(
    app: Flask, client: Client, network: Network, monkeypatch: pytest.MonkeyPatch, ana: str
) -> None:
    add_customers("b")
    monkeypatch.setattr("app.api.members.BATCH_SIZE", 1)
    result = client.set_members(GOLD_MEMBER, [ana, "b", "unknown"])
    assert (result.added, result.removed, result.unchanged, result.not_found) == (2, 0, 0, ["unknown"])
    assert result.change_set
    job = client.rename_segment(GOLD_MEMBER, SILVER_MEMBER)
    assert (job["state"], job["report"]["changed"]) == ("done", 2)
    assert all_segments() == {ana: SILVER, "b": SILVER}


@pytest.mark.usefixtures("worker")
def test_a_file_is_submitted_and_its_change_set_reverted(
    app: Flask, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ana: str
) -> None:
    path = tmp_path / "night.csv"
    path.write_text(f"document_id,type,value\n{ana},membership,GOLD\n")
    job = client.wait_for_job(client.submit_job("replace", path, media_type="text/csv")["id"])
    assert (job["report"]["changed"], all_segments()) == (1, {ana: GOLD})
    monkeypatch.setattr("app.api.revert.is_one_batch", lambda _change_set_id: False)
    assert client.revert(job["changeSet"])["changed"] == 1
    assert all_segments() == {ana: []}


def test_a_cancelled_job_raises(client: Client, network: Network, ana: str) -> None:
    cancelled = {"id": "7", "state": "cancelled", "error": None}
    network.interfere = lambda _request: httpx.Response(200, json=cancelled)
    with pytest.raises(JobFailed, match="Job 7: cancelled"):
        client.wait_for_job("7")


def test_batches_cover_all_rows_and_repeat_safely(client: Client, network: Network) -> None:
    ids = [f"c{number}" for number in range(25)]
    add_customers(*ids)
    rows = [(id_, [GOLD_MEMBER]) for id_ in [*ids, "unknown"]]
    totals = client.replace_in_batches(rows, run="2026-11-26", batch_size=10)
    assert (totals.sent, totals.changed, totals.not_found) == (26, 25, ["unknown"])
    assert len(totals.change_sets) == 3
    assert client.replace_in_batches(rows, run="2026-11-26", batch_size=10) == totals, "each batch is replayed"


def test_a_lost_response_is_repeated_without_doing_it_twice(client: Client, network: Network, ana: str) -> None:
    def lose_the_first(request: httpx.Request) -> httpx.Response | None:
        if network.requests == 1:
            network.application.handle_request(request)
            raise httpx.ReadError("connection reset")
        return None

    network.interfere = lose_the_first
    assert client.replace_segments({ana: [GOLD_MEMBER]}, report=True).report["changed"] == 1  # type: ignore[index]
    assert network.requests == 2


@pytest.mark.parametrize("status", [429, 503])
def test_busy_responses_are_retried(client: Client, network: Network, ana: str, status: int) -> None:
    busy = httpx.Response(status, headers={"Retry-After": "0"})
    network.interfere = lambda _request: busy if network.requests < 3 else None
    assert client.get_segments(document_id=ana) == []
    assert network.requests == 3


def test_retries_end(client: Client, network: Network, ana: str) -> None:
    network.interfere = lambda _request: httpx.Response(503, text="proxy")
    with pytest.raises(ApiError) as error:
        client.get_segments(document_id=ana)
    assert (error.value.status, error.value.code, network.requests) == (503, "UNKNOWN", 4)


def test_a_refusal_raises_with_its_code_and_is_not_retried(client: Client, network: Network) -> None:
    with pytest.raises(ApiError) as error:
        client.get_segments(document_id="unknown")
    assert (error.value.status, error.value.code, network.requests) == (404, "CUSTOMER_NOT_FOUND", 1)
    assert error.value.request_id


def test_webhooks_are_managed(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.webhooks.resolve", lambda _target: ["192.0.2.1"])
    with Client("http://localhost", create_token("hooks", ["webhooks:write"]), transport=network) as client:
        secret = documented("add_webhook")(client, "https://example.com/hook")
        (webhook,) = client.webhooks.list()
        assert (webhook.url, webhook.types, webhook.secret) == ("https://example.com/hook", ["membership"], None)
        assert client.webhooks.get(webhook.id) == webhook
        assert [delivery.change_set_id for delivery in list_deliveries(1, 10)] == [None], "a test event"
        changed = client.webhooks.update(webhook.id, types=["region"], paused=True)
        assert (changed.types, changed.state) == (["region"], "paused")
        assert client.webhooks.update(webhook.id, paused=False) == replace(webhook, types=["region"])
        moved = client.webhooks.update(webhook.id, url="https://example.com/moved", events=["change_set"])
        assert (moved.url, moved.events, moved.types) == ("https://example.com/moved", ["change_set"], ["region"])
        rotated = client.webhooks.rotate(webhook.id, overlap_hours=1)
        assert rotated.secret not in (None, secret)
        assert rotated.previous_until
        client.webhooks.delete(webhook.id)
        assert client.webhooks.list() == []


def test_alerts_are_set_and_listed(client: Client) -> None:
    low, moved = client.alerts.set("membership", "GOLD", below=3, change=20)
    assert (low.condition, low.threshold, moved.condition, moved.raised_at) == ("below", 3, "change", None)
    assert low.raised_at
    (whole,) = client.alerts.set("membership", above=9)
    assert (whole.value, whole.raised_at) == (None, None)
    assert client.alerts.set("membership", "GOLD") == []
    assert client.alerts.list() == [whole]


def test_a_webhook_is_not_created_twice(client: Client, network: Network) -> None:
    network.interfere = lambda _request: httpx.Response(503)
    with pytest.raises(ApiError):
        client.webhooks.create("https://example.com/hook")
    assert network.requests == 1


def test_lists_are_read_page_by_page(client: Client) -> None:
    assert client.upsert_customers({f"c{number:04}": {"name": "Ana"} for number in range(1001)})["created"] == 1001
    set_segments("c0000", GOLD)
    assert len(list(client.iter_customers(q="ana"))) == 1001
    assert list(client.iter_segments()) == [(GOLD_MEMBER, 1)]


def test_the_feed_is_followed_as_changes_are_committed(app: Flask, tmp_path: Path, ana: str) -> None:
    """Through the server: a change that another process commits ends the wait of the request."""
    environ = {"DATABASE_URL": app.config["DATABASE_URL"], "SECRET_KEY": SECRET_KEY}
    received: Queue[Page] = Queue()

    def follow(client: Client) -> None:
        for page in client.follow(client.read_changes("now").cursor, kind="segments"):
            received.put(page)
            if page.entries[-1]["after"] == SILVER:
                return

    with (
        serving(environ, tmp_path / "log") as server,
        Client(server.address, create_token("python")) as client,
        ThreadPoolExecutor() as threads,
    ):
        follower = threads.submit(follow, client)
        while received.empty() and not follower.done():  # it may not have read its first cursor yet
            set_segments(ana, GOLD)
            set_segments(ana, [])
            time.sleep(0.2)
        set_segments(ana, SILVER)
        follower.result(timeout=120)


def test_a_follower_pauses_between_empty_answers(
    client: Client, network: Network, monkeypatch: pytest.MonkeyPatch, ana: str
) -> None:
    """A service that stops, or another server, answers without entries at once."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        set_segments(ana, GOLD)

    monkeypatch.setattr("customer_segments.client.time.sleep", pause)
    page = next(client.follow("now"))
    assert [entry["after"] for entry in page.entries] == [GOLD]
    assert pauses == [1.0]


def test_the_feed_is_read_to_its_end_and_a_change_set_reverted(client: Client, ana: str) -> None:
    change_set = client.replace_segments({ana: [GOLD_MEMBER]}).change_set
    assert change_set
    pages = list(client.iter_changes())
    segments = [entry for page in pages for entry in page.entries if entry.get("kind", "segments") == "segments"]
    assert [entry["after"] for entry in segments] == [GOLD]
    assert client.revert(change_set, dry_run=True)["changed"] == 1
    client.revert(change_set)
    assert all_segments() == {ana: []}
    (page,) = client.iter_changes(pages[-1].cursor)
    assert page.entries[-1]["after"] == []
    assert client.get_change_set(change_set)["id"] == change_set
