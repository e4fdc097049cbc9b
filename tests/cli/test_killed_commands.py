"""What a killed command leaves: its change set, which ends soon with the batches before, and can be undone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app import background
from app.core import dialects
from app.core.counts.recount import recount
from app.core.database import db, now, run_in_transaction
from app.core.models.change_sets import ChangeSet
from app.jobs import apply_file, reverts
from app.jobs.abandoned import end_abandoned_change_sets
from tests.support.api_jobs import Killed
from tests.support.clients import Shell
from tests.support.customers import GOLD, TESTER, add_customers, all_segments
from tests.support.dates import date

IDS = [f"c{number}" for number in range(5)]
FILE = "document_id,type,value\n" + "".join(f"{id_},membership,GOLD\n" for id_ in IDS)
COMMANDS = ("apply", "import", "revert")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
    monkeypatch.setattr(apply_file, "BATCH_SIZE", 2)
    monkeypatch.setattr(reverts, "BATCH_SIZE", 2)
    monkeypatch.setattr(reverts, "is_one_batch", lambda _: False)
    add_customers(*IDS)


@pytest.fixture(params=COMMANDS)
def command(shell: Shell, request: pytest.FixtureRequest) -> tuple[str, ...]:
    """A command of three batches."""
    if request.param == "revert":
        shell("segments", "apply", shell.file("before.csv", FILE))
        return ("changes", "revert", newest().split()[0])
    return ("segments" if request.param == "apply" else "customers", request.param, shell.file("f.csv", FILE))


def newest() -> str:
    """Return the id and the state of the newest change set."""
    db.session.rollback()
    query = select(ChangeSet.id, ChangeSet.state).order_by(ChangeSet.id.desc()).limit(1)
    return " ".join(map(str, db.session.execute(query).one()))


def between_batches(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Act after the first batch."""
    acts = iter([act])
    monkeypatch.setattr(dialects, "yield_to_writers", lambda _engine: next(acts, lambda: None)())


def kill(shell: Shell, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the command, and kill it after its first batch."""

    def die() -> None:
        raise Killed

    with monkeypatch.context() as patches:
        between_batches(patches, die)
        for module in (apply_file, reverts):
            patches.setattr(module, "end_early", lambda *_: None)
        with pytest.raises(Killed):
            shell(*command)


def end_lease() -> None:
    values = {"leased_until": now() - timedelta(seconds=1)}
    run_in_transaction(lambda session: session.execute(update(ChangeSet).values(values)))


def test_change_set_ends_when_its_lease_does(
    shell: Shell, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(shell, command, monkeypatch)
    id_, state = newest().split()
    assert state == "applying"
    date(int(id_), now() - timedelta(hours=2))
    assert end_abandoned_change_sets() == 0, "the command may be waiting for a lock"
    end_lease()
    stop = background.Stop()
    stop.set()
    background.end_abandoned(stop)
    assert newest() == f"{id_} cancelled"
    assert end_abandoned_change_sets() == 0
    shell("changes", "revert", id_)
    assert recount(TESTER) == []


def test_next_command_ends_it_where_no_service_runs(
    shell: Shell, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(shell, command, monkeypatch)
    killed = newest().split()[0]
    end_lease()
    shell("changes", "revert", killed)
    shell(*command)
    db.session.rollback()
    assert set(db.session.scalars(select(ChangeSet.state))) == {"done", "cancelled"}


def test_command_that_was_taken_for_killed_stops(
    shell: Shell, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that was frozen for more than a minute: what it ended may have been undone since."""
    before = all_segments()
    ended: list[str] = []

    def end_and_undo() -> None:
        end_lease()
        assert end_abandoned_change_sets() == 1
        ended.append(newest().split()[0])
        shell("changes", "revert", ended[0])

    between_batches(monkeypatch, end_and_undo)
    result = shell(*command, exit_code=2)
    assert "ended" in result.stderr
    assert all_segments() == before
    db.session.rollback()
    assert db.session.scalar(select(ChangeSet.state).where(ChangeSet.id == int(ended[0]))) == "cancelled"


def test_two_processes_end_it_once(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    kill(shell, ("segments", "apply", shell.file("f.csv", FILE)), monkeypatch)
    end_lease()
    real, others = run_in_transaction, iter([end_abandoned_change_sets])

    def slower(work: Callable[..., Any]) -> Any:
        for other in others:
            assert other() == 1
        return real(work)

    monkeypatch.setattr("app.jobs.abandoned.run_in_transaction", slower)
    assert end_abandoned_change_sets() == 0
    assert newest().endswith("cancelled")


def test_finished_command_leaves_nothing_to_end(shell: Shell, command: tuple[str, ...]) -> None:
    shell(*command)
    end_lease()
    assert end_abandoned_change_sets() == 0
    expected = [] if "revert" in command else GOLD
    assert all(segments == expected for segments in all_segments().values())
