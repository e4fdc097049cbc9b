"""Two at a time on the same customers: every change begins where the one before it ended, and none is lost.

RACE_SECONDS sets how long each race goes on; the suite has a second for each.
"""

import itertools
import os
import random
import threading
import time
from collections.abc import Callable

import pytest
from flask import Flask

from app.core.changes.replace_segments import replace_segments
from app.core.changes.revert import revert
from app.core.changes.segment_updates import SegmentPatch
from app.core.counts.recount import recount
from app.core.history.timeline import timeline
from tests.support.customers import TESTER, add_customers, all_segments

SECONDS = float(os.environ.get("RACE_SECONDS", "1"))
IDS = [f"{n}" for n in range(5)]

RandomChange = Callable[[random.Random], None]
newest: list[int] = []


def pair(rng: random.Random) -> dict[str, str]:
    return {"type": "n", "value": str(rng.randrange(8))}


def some(rng: random.Random) -> list[str]:
    return rng.sample(IDS, rng.randint(1, len(IDS)))


def replace(rng: random.Random) -> None:
    _remember(replace_segments({id_: [pair(rng), pair(rng)] for id_ in some(rng)}, TESTER).change_set_id)


def patch(rng: random.Random) -> None:
    patches = {id_: SegmentPatch(add=[pair(rng)], remove=[pair(rng)]) for id_ in some(rng)}
    _remember(replace_segments(patches, TESTER).change_set_id)


def undo(rng: random.Random) -> None:
    if newest:
        _remember(revert(rng.choice(newest[-5:]), TESTER).change_set_id)


def _remember(change_set_id: int | None) -> None:
    if change_set_id:
        newest.append(change_set_id)


@pytest.mark.parametrize(
    "pair_of_workers",
    [(replace, replace), (replace, patch), (patch, patch), (undo, replace)],
    ids=["replace/replace", "replace/patch", "patch/patch", "revert/replace"],
)
def test_no_change_is_lost(app: Flask, pair_of_workers: tuple[RandomChange, RandomChange]) -> None:
    add_customers(*IDS)
    newest.clear()
    replace_segments({id_: [pair(random.Random(1))] for id_ in IDS}, TESTER)
    end = time.monotonic() + SECONDS
    failures: list[BaseException] = []

    def work(seed: int, change: RandomChange) -> None:
        rng = random.Random(seed)
        with app.app_context():
            try:
                while time.monotonic() < end:
                    change(rng)
            except BaseException as failure:
                failures.append(failure)

    workers = [threading.Thread(target=work, args=(seed, change)) for seed, change in enumerate(pair_of_workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert failures == []
    changes = 0
    for document_id, segments in all_segments().items():
        entries = timeline(document_id, limit=10**6)
        assert entries[0].after == segments
        assert entries[-1].before == []
        assert entries[-1].previous is None
        for later, earlier in itertools.pairwise(entries):
            assert later.before == earlier.after
        changes += len(entries)
    assert changes > 5
    assert recount(TESTER) == []


def test_two_patches_at_once_both_count(app: Flask) -> None:
    """What a read, a change in memory and a write would lose."""
    add_customers("1")

    def add(value: str) -> None:
        with app.app_context():
            replace_segments({"1": SegmentPatch(add=[{"type": "t", "value": value}], remove=[])}, TESTER)

    workers = [threading.Thread(target=add, args=(str(n),)) for n in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {segment["value"] for segment in all_segments()["1"]} == {str(n) for n in range(16)}
