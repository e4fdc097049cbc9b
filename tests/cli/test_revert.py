"""`flask changes revert`: in batches that are one change set."""

import pytest

from app.core.changes.replace_segments import replace_segments
from app.core.counts.recount import recount
from app.core.database import db
from app.core.models.change_sets import get_change_set
from app.jobs import reverts
from tests.support.clients import Shell
from tests.support.customers import GOLD, SILVER, TESTER, Segments, add_customers, all_segments, set_segments

IDS = list("abcdefg")
NONE: dict[str, Segments] = {id_: [] for id_ in IDS}


@pytest.fixture
def nightly(monkeypatch: pytest.MonkeyPatch) -> int:
    """A change set of more than one batch that gave everybody GOLD."""
    monkeypatch.setattr(reverts, "BATCH_SIZE", 2)
    add_customers(*IDS)
    change_set_id = replace_segments(dict.fromkeys(IDS, GOLD), TESTER).change_set_id
    assert change_set_id is not None
    return change_set_id


def test_large_change_set_is_reverted_in_batches_as_one_change_set(shell: Shell, nightly: int) -> None:
    set_segments("c", SILVER)
    reverted = shell("changes", "revert", str(nightly))
    assert reverted.stdout == "c\n"
    assert "6 customers restored" in reverted.stderr
    db.session.rollback()
    assert all_segments() == {**NONE, "c": SILVER}
    change_set = get_change_set(3)
    assert (change_set.state, change_set.reverts, change_set.changed) == ("done", nightly, 6)
    assert recount(TESTER) == []


def test_revert_that_failed_midway_is_finished_by_a_second_one(
    shell: Shell, nightly: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, read = reverts.revert_batch, []

    def fail_at_third(*args: object, **kwargs: object) -> int | None:
        read.append(1)
        if len(read) == 3:
            raise OSError("disk")
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(reverts, "revert_batch", fail_at_third)
    with pytest.raises(OSError, match="disk"):
        reverts.revert_in_batches(nightly, TESTER, lambda _: None)
    db.session.rollback()
    assert get_change_set(2).state == "cancelled"
    assert 0 < sum(map(bool, all_segments().values())) < 7
    shell("changes", "revert", str(nightly))
    db.session.rollback()
    assert all_segments() == NONE


def test_dry_run_changes_nothing(shell: Shell, nightly: int) -> None:
    assert "7 customers would be restored" in shell("changes", "revert", str(nightly), "--dry-run").stderr
    db.session.rollback()
    assert set(map(str, all_segments().values())) == {str(GOLD)}
