"""A bulk edit of all who match a filter, while many writers change the same customers.

    python -m tests.torture.bulk_edit_race [--customers 20000] [--writers 100] [--edits 8] [--seed 7]

Each bulk edit adds, removes, replaces or clears segments, and is previewed and applied while the writers go on.
Afterwards only previewed customers are changed, each from the previewed state. Customers left alone are listed,
and every answered write stands in the change feed once. Exit code 1 means that something was found.
"""

import argparse
import itertools
import logging
import random
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Flask

from app import background
from app.access.api_tokens import SCOPES, create_token
from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import replace_segments
from app.core.counts.recount import recount
from app.core.database import db, run_in_transaction
from app.core.errors import Unavailable
from app.core.models.change_sets import Actor
from app.core.models.segments import SegmentPair, Segments, add_segments, remove_segments
from app.core.search.filters import Filter
from app.jobs.batches import count_batches, iter_skipped, load_batch
from app.jobs.bulk_edits import ACTIONS, BulkEdit, EditAction
from app.jobs.jobs import Job, create_job, transition
from app.jobs.states import JobKind, JobState
from tests.support.clients import Api
from tests.support.customers import GOLD, TESTER, all_segments
from tests.support.feed import read_all
from tests.torture.mirror import application

ANA = Actor("ana@example.com", "page")
XMAS: Segments = [{"type": "campaign", "value": "XMAS"}]
EDITS: dict[EditAction, Segments] = {"add": XMAS, "remove": GOLD, "replace": XMAS, "clear": []}
INSERTED_AT_ONCE = 5_000
PAUSE_S = 0.2

T = TypeVar("T")


@dataclass
class Race:
    """Who takes part, and what was answered."""

    app: Flask
    api: Api
    ids: list[str]
    finished: threading.Event = field(default_factory=threading.Event)
    written: dict[str, list[Segments]] = field(default_factory=lambda: defaultdict(list))
    """The segments of each write that was answered with success, by customer."""
    refused: int = 0

    def write(self, number: int, rng: random.Random) -> None:
        """Replace the segments of one customer after the other, each time with segments that no other write has."""
        for count in itertools.count():
            if self.finished.is_set():
                return
            document_id = rng.choice(self.ids)
            segments = [{"type": "by", "value": f"{number}/{count}"}, *(GOLD if rng.random() < 0.5 else [])]
            body = {"customers": [{"document_id": document_id, "segments": segments}]}
            response = self.api.client.post("/api/v3/customers/segments", json=body, headers=self.api.headers)
            if response.status_code == 200:
                self.written[document_id].append(segments)
            elif response.status_code == 503:
                self.refused += 1
            else:
                raise AssertionError(response.text)


def race(app: Flask, seed: int, customers: int, writers: int, edits: int) -> list[str]:
    """Apply bulk edits beside writers; return what is wrong."""
    rng = random.Random(seed)
    run = Race(
        app, Api(app.test_client(), create_token("race", SCOPES)), [f"{number:06}" for number in range(customers)]
    )
    for start in range(0, customers, INSERTED_AT_ONCE):
        batch = run.ids[start : start + INSERTED_AT_ONCE]
        run_in_transaction(
            lambda session, batch=batch: upsert_customers(session, [{"document_id": id_} for id_ in batch])
        )
        replace_segments({id_: GOLD for id_ in batch if rng.random() < 0.7}, TESTER)
    threads = [
        threading.Thread(target=run.write, args=(number, random.Random(rng.random())), daemon=True)
        for number in range(writers)
    ]
    for thread in threads:
        thread.start()
    actions = [*ACTIONS[:4]]
    jobs = [edit_beside(actions[number % len(actions)]) for number in range(edits)]
    run.finished.set()
    for thread in threads:
        thread.join()
    db.session.remove()
    return [*check(run, jobs), *(f"a recount found {found}" for found in recount(TESTER))]


def edit_beside(action: EditAction) -> int:
    """Preview and apply a bulk edit of all who have GOLD; return its job."""
    edit = BulkEdit(action, EDITS[action], Filter(segments=tuple(map(SegmentPair.of, GOLD))))
    job_id = insist(lambda: create_job(JobKind.EDIT, ANA, edit.to_dict(), JobState.CHECKING))
    work_until(job_id, JobState.READY)
    time.sleep(PAUSE_S)  # writers change some of the previewed customers
    insist(lambda: transition(job_id, JobState.APPLYING, from_=(JobState.READY,)))
    work_until(job_id, JobState.DONE)
    return job_id


def work_until(job_id: int, state: JobState) -> None:
    """Work as the workers do, until the job is in this state."""
    while True:
        insist(lambda: background.work_on_jobs(threading.Event()))
        db.session.rollback()
        job = db.session.get_one(Job, job_id)
        if job.state == state:
            return
        if job.state == JobState.FAILED:
            raise AssertionError(job.error)


def insist(work: Callable[[], T]) -> T:
    """Do it again while the database is busy, as a worker and an operator would."""
    while True:
        with suppress(Unavailable):
            return work()
        db.session.rollback()


# What is checked


def check(run: Race, jobs: list[int]) -> list[str]:
    """Return what is wrong with the feed, beside what was previewed, answered and stored."""
    entries, _cursor = read_all(run.api)
    chains: dict[str, list[Any]] = defaultdict(list)
    for entry in entries:
        if entry["kind"] == "segments":
            chains[entry["document_id"]].append(entry)
    stored = all_segments()
    found = [problem for id_, chain in chains.items() for problem in check_chain(id_, chain, stored[id_])]
    for id_, answered in run.written.items():
        recorded = Counter(str(entry["after"]) for entry in chains[id_] if entry["source"] == "api")
        found += [f"{id_}: {segments} was answered and stands {recorded[str(segments)]} times in the feed"
                  for segments in answered if recorded[str(segments)] != 1]  # fmt: skip
    for job_id in jobs:
        found += check_edit(db.session.get_one(Job, job_id), entries)
    writes = sum(map(len, run.written.values()))
    print(f"  {writes:,} writes of {len(run.written):,} customers answered, {run.refused} with 503", flush=True)
    return found


def check_chain(document_id: str, chain: list[Any], stored: Segments) -> Iterator[str]:
    """Yield where a change of a customer does not begin where the one before it ended."""
    for earlier, later in itertools.pairwise(chain):
        if later["before"] != earlier["after"]:
            yield f"{document_id}: change {later['id']} does not begin where {earlier['id']} ended"
    if chain[-1]["after"] != stored:
        yield f"{document_id}: has {stored}, and the feed ends with {chain[-1]['after']}"


def check_edit(job: Job, entries: list[Any]) -> Iterator[str]:
    """Yield how a bulk edit was not what its preview said."""
    edit = BulkEdit.from_dict(job.payload)
    previewed: dict[str, Any] = {}
    for number in range(count_batches(job.id)[0]):
        previewed |= load_batch(db.session(), job.id, number)
    changed = {entry["document_id"]: entry for entry in entries if entry["changeSet"] == str(job.change_set_id)}
    skipped = dict(iter_skipped(job.id))
    already = job.result["unchanged"] - job.preview["unchanged"]
    counts = (
        f"{len(previewed):,} previewed, {len(changed):,} changed, {len(skipped):,} skipped, {already} had it already"
    )
    print(f"  {edit.action}: {counts}", flush=True)
    if job.state != JobState.DONE or len(previewed) != len(changed) + len(skipped) + already:
        yield f"job {job.id} is {job.state}: {counts}"
    if strangers := changed.keys() - previewed.keys():
        yield f"job {job.id} changed {len(strangers)} who were not in the preview, such as {min(strangers)}"
    if listed := changed.keys() & skipped.keys():
        yield f"job {job.id} changed {len(listed)} whom it lists as left alone, such as {min(listed)}"
    for id_, entry in changed.items():
        if edit.expectation(entry["before"]) != previewed.get(id_):
            yield f"job {job.id} changed {id_} from {entry['before']}, which was not the previewed state"
        if entry["after"] != AFTER[edit.action](entry["before"]):
            yield f"job {job.id} changed {id_} from {entry['before']} to {entry['after']}"


AFTER: dict[str, Callable[[Segments], Segments]] = {
    "add": lambda before: add_segments(before, XMAS),
    "remove": lambda before: remove_segments(before, GOLD),
    "replace": lambda _before: XMAS,
    "clear": lambda _before: [],
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.bulk_edit_race", description=__doc__)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--writers", type=int, default=100)
    parser.add_argument("--edits", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    options = parser.parse_args()
    logging.disable(logging.INFO)  # each request
    found: list[str] = []
    for database in options.database or ["sqlite", "postgresql"]:
        started = time.monotonic()
        print(f"{database}, seed {options.seed}", flush=True)
        with application(database) as app, app.app_context():
            found += race(app, options.seed, options.customers, options.writers, options.edits)
        print(f"  {time.monotonic() - started:,.0f} s", flush=True)
    for problem in found[:20]:
        print(f"VIOLATION {problem}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
