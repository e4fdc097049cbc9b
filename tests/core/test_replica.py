"""A real streaming replica: what it answers, what it must not, and what happens when it fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import NullPool, create_engine, make_url, text

from app.access.api_tokens import create_token
from app.core import replicas
from bench.servers import postgresql
from bench.servers.gunicorn import wait_for
from tests.support.clients import Api, IsolatedClient, Shell
from tests.support.customers import GOLD, SILVER, add_customers, reset_database, set_segments
from tests.support.databases import app_on
from tests.support.html_client import HtmlClient, signed_in
from tests.support.metrics import parse_metrics

ABSENT = "postgresql://127.0.0.1:1/none"
LIST = "/api/v3/customers"


class Replication:
    """A primary and its replica, and what the tests do to the replica."""

    def __init__(self, primary: str, replica: str) -> None:
        self.primary, self.replica = primary, replica

    def _ask(self, url: str, query: str, **parameters: object) -> object:
        engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", poolclass=NullPool
        )
        with engine.connect() as connection:
            return connection.scalar(text(query), parameters)

    def catch_up(self) -> None:
        position = self._ask(self.primary, "SELECT pg_current_wal_lsn()::text")
        replayed = "SELECT pg_last_wal_replay_lsn() >= CAST(:position AS pg_lsn)"
        wait_for(lambda: bool(self._ask(self.replica, replayed, position=position)))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the replica receive changes and not show them."""
        self.catch_up()
        self._ask(self.replica, "SELECT pg_wal_replay_pause()")
        wait_for(lambda: self._ask(self.replica, "SELECT pg_get_wal_replay_pause_state()") == "paused")
        try:
            yield
        finally:
            self._ask(self.replica, "SELECT pg_wal_replay_resume()")


@pytest.fixture(scope="module")
def replication() -> Iterator[Replication]:
    with postgresql.running() as primary, postgresql.replica_of(primary) as replica:
        yield Replication(primary, replica)


@contextmanager
def reading_from(primary: str, replica: str) -> Iterator[Flask]:
    with app_on(primary, DATABASE_READ_URL=replica) as app:
        app.testing = True
        app.test_client_class = IsolatedClient
        yield app


@pytest.fixture(scope="module")
def migrated(replication: Replication) -> Replication:
    with reading_from(replication.primary, replication.replica):
        flask_migrate.upgrade()
    replication.catch_up()
    return replication


@pytest.fixture
def app(migrated: Replication) -> Iterator[Flask]:
    with reading_from(migrated.primary, migrated.replica) as app:
        reset_database()
        add_customers("001", "002", name="Ana Gómez")
        set_segments("001", GOLD)
        yield app


def names(api: Api) -> list[str]:
    return [customer["document_id"] for customer in api.get(LIST).json["customers"]]  # type: ignore[index]


def answered_by(app: Flask) -> Callable[[], dict[str, float]]:
    """Return a function that returns how many reads each source answered since now."""

    def counts() -> dict[str, float]:
        values = parse_metrics(app.test_client().get("/metrics").text)
        prefix = 'replica_reads_total{answered_by="'
        return {name[len(prefix) : -2]: value for name, value in values.items() if name.startswith(prefix)}

    before = counts()
    return lambda: {name: n - before.get(name, 0) for name, n in counts().items() if n != before.get(name, 0)}


READS = (LIST, "/api/v3/segments", "/api/v3/segments/membership/GOLD/members")
PAGES = (
    "/",
    "/customers",
    "/customer-count",
    "/customer-export",
    "/customer-export?format=jsonl",
    "/customer-export?format=xlsx",
    "/segments",
    "/segments/membership/GOLD",
    "/similar-segments",
    "/changes",
    "/segment-days",
    "/segment-suggestions?type=membership",
    "/search-hits?q=ana",
)


@pytest.mark.parametrize("url", READS)
def test_the_replica_answers_lists_of_the_api(app: Flask, migrated: Replication, url: str) -> None:
    reader, writer = (Api(app.test_client(), create_token(name)) for name in ("reader", "writer"))
    with migrated.paused():
        before, counts = reader.get(url).json, answered_by(app)
        writer.replace([{"document_id": "002", "segments": [*GOLD, *SILVER]}])
        add_customers("003")
        assert reader.get(url).json == before, "the replica shows an earlier state"
        assert counts() == {"replica": 1}
    migrated.catch_up()
    assert reader.get(url).json != before


@pytest.mark.parametrize("url", PAGES)
def test_the_replica_answers_pages_with_lists_and_charts(app: Flask, migrated: Replication, url: str) -> None:
    viewer = signed_in(app.test_client(), "viewer")
    migrated.catch_up()
    counts = answered_by(app)
    assert viewer.client.get(url).status_code == 200
    assert counts() == {"replica": 1}


def test_a_client_reads_its_own_changes(app: Flask, migrated: Replication) -> None:
    api = Api(app.test_client(), create_token("crm-nightly"))
    with migrated.paused():
        api.call("POST", LIST, json={"customers": [{"document_id": "003"}]})
        counts = answered_by(app)
        assert names(api) == ["001", "002", "003"]
        assert counts() == {"behind": 1}
    migrated.catch_up()
    assert names(api) == ["001", "002", "003"]
    assert counts() == {"behind": 1, "replica": 1}


def test_an_operator_sees_their_own_change(app: Flask, migrated: Replication) -> None:
    editor = signed_in(app.test_client(), "editor")
    with migrated.paused():
        editor.post("/customer-new", {"document_id": "003", "name": "Eva"})
        assert "Eva" in editor.get("/customers").text
        assert "Eva" in editor.client.get("/customer-export").text


def test_the_primary_answers_all_else(app: Flask, migrated: Replication) -> None:
    reader, writer = (Api(app.test_client(), create_token(name)) for name in ("reader", "writer"))
    with migrated.paused():
        etag = reader.get(LIST).headers["ETag"]
        writer.replace([{"document_id": "002", "segments": GOLD}])
        assert len(reader.get("/api/v3/changes?limit=1000").json["changes"]) == 2
        assert reader.get("/api/v3/customers/002/segments").json["segments"] == GOLD
        assert '"GOLD"' in reader.get("/api/v3/customers/export").text.splitlines()[1]
        assert reader.get(LIST, headers={"If-None-Match": etag}).json, "of a newer state: not 304"
        late = Api(app.test_client(), create_token("new"))
        assert late.get(LIST), "a token that the replica does not know"


def test_the_primary_answers_while_the_replica_is_away(migrated: Replication) -> None:
    with reading_from(migrated.primary, ABSENT) as app:
        reset_database()
        add_customers("001")
        api = Api(app.test_client(), create_token("reader"))
        viewer = signed_in(app.test_client(), "viewer")
        counts = answered_by(app)
        assert names(api) == ["001"]
        assert "001" in viewer.client.get("/customer-export").text
        assert counts() == {"failed": 2}
        assert parse_metrics(app.test_client().get("/metrics").text)["replica_up"] == 0


def test_a_read_that_the_replica_ends_is_answered_by_the_primary(
    app: Flask, migrated: Replication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a conflict with replay ends it: the replica has said that it is current."""
    api = Api(app.test_client(), create_token("reader"))
    migrated.catch_up()
    engine = create_engine(make_url(ABSENT).set(drivername="postgresql+psycopg"))
    monkeypatch.setattr(replicas, "_choose", lambda _actor: replicas.AnsweredBy.REPLICA)
    monkeypatch.setattr(replicas, "replica", lambda: engine)
    counts = answered_by(app)
    assert names(api) == ["001", "002"]
    assert counts() == {"failed": 1}


def test_a_replica_that_failed_is_tried_again_later(
    app: Flask, migrated: Replication, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(app.test_client(), create_token("reader"))
    migrated.catch_up()
    replicas.suspend(Exception("the replica is restarted"))
    counts = answered_by(app)
    names(api)
    assert counts() == {"failed": 1}
    moment = replicas.time.monotonic() + replicas.RETRY_AFTER_S
    monkeypatch.setattr(replicas.time, "monotonic", lambda: moment)
    names(api)
    assert counts() == {"failed": 1, "replica": 1}


def test_metrics_and_doctor_tell_the_lag(app: Flask, migrated: Replication, shell: Shell, viewer: HtmlClient) -> None:
    migrated.catch_up()
    values = parse_metrics(app.test_client().get("/metrics").text)
    assert (values["replica_up"], values["replica_lag_bytes"], values["replica_lag_seconds"]) == (1, 0, 0)
    output = shell("doctor").stdout
    assert "ok    replica: of the same database" in output
    assert "ok    replica in recovery: yes" in output
    with migrated.paused():
        add_customers("003")
        values = parse_metrics(app.test_client().get("/metrics").text)
        assert values["replica_lag_bytes"] > 0
        assert values["replica_lag_seconds"] > 0


def test_doctor_finds_a_wrong_replica(migrated: Replication, database_urls: dict[str, str], shell: Shell) -> None:
    for url, remedy in (
        (ABSENT, "Start the replica"),
        (database_urls["postgresql"], "a replica of the server and database"),
        (migrated.primary, "name the replica, or remove it"),
    ):
        with reading_from(migrated.primary, url) as app:
            code = 0 if url == migrated.primary else 1
            assert remedy in Shell(app, shell.folder)("doctor", exit_code=code).stdout
