"""A campaign that comes and goes by itself, while its workers are killed and customers are edited by hand.

    python -m tests.torture.campaign [--customers 20000] [--edits 500] [--seed 7] [--database postgresql]

A job of the API gives all customers a segment at one moment and takes it back seconds later. All workers are killed
while the file is checked, before each of both moments, and twice in each job. Meanwhile customers are edited: some get
another segment or lose one, others lose, keep or get a segment of the campaign's type by hand. Afterwards each customer
has exactly what the change feed explains: customers without the campaign got it, customers whose segments of its
type were not edited lost it again, and every edit stays. Exit code 1 means that something was found.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.servers import postgresql
from tests.torture.__main__ import _flask
from tests.torture.job_senders import POLL_S, insist, state_of, wait_for_state
from tests.torture.large_run import Run, prepared
from tests.torture.services import PATIENCE_S, kill

XMAS = {"type": "campaign", "value": "XMAS"}
EASTER = {"type": "campaign", "value": "EASTER"}
MEMBERSHIPS = ("BRONZE", "SILVER", "GOLD")
BEFORE_S = 6
"""From the request to the moment at which the campaign comes."""
BETWEEN_S = 6
"""From there to the moment at which it goes."""
HAD_ALREADY = 50
"""One customer in so many has the campaign before it comes."""

Segments = list[dict[str, str]]


@dataclass
class Campaign:
    """Who has what before, and which edits were answered."""

    run: Run
    rng: random.Random
    before: dict[str, Segments]
    edits: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Patches by hand, with their customers, in the order in which they were answered."""

    def submit(self) -> int:
        moment = datetime.now(UTC) + timedelta(seconds=BEFORE_S)
        query = {"apply_at": moment, "revert_at": moment + timedelta(seconds=BETWEEN_S)}
        moments = "".join(f"&{name}={quote(at.isoformat())}" for name, at in query.items())
        lines = [json.dumps({"document_id": id_, "segments": [XMAS]}) for id_ in self.before]
        headers = {"Authorization": f"Bearer {self.run.token}", "Content-Type": "application/x-ndjson"}
        url = f"{self.run.address}/api/v3/jobs?action=merge{moments}"
        request = urllib.request.Request(url, "\n".join(lines).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return int(json.load(response)["id"])

    def edit(self, customers: list[str], patches: list[dict[str, Any]]) -> None:
        """Edit customers by hand, each once; until it is answered."""
        for number, id_ in enumerate(customers):
            patch = {"document_id": id_, **patches[number % len(patches)]}
            patch["add"] = [*patch["add"], {"type": "hand", "value": str(len(self.edits))}]
            insist(lambda patch=patch: self._patch(patch))  # type: ignore[misc]
            self.edits.append((id_, patch))

    def _patch(self, patch: dict[str, Any]) -> Any:
        return self.run.call("/api/v3/customers/segments", {"customers": [patch]}, method="PATCH")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.campaign", description=__doc__)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--edits", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="customer-segments-campaign-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        is_sqlite = options.database == "sqlite"
        url = stack.enter_context(nullcontext(f"sqlite:///{folder / 'shop.db'}") if is_sqlite else postgresql.running())
        run = stack.enter_context(prepared(url, folder))
        print(f"{options.database}, seed {options.seed}, {options.customers:,} customers", flush=True)
        campaign = prepare(run, options.customers, random.Random(options.seed), folder)
        found = [*play(campaign, options.edits)]
    for problem in found[:20]:
        print(f"  VIOLATION {problem}")
    sys.exit(bool(found))


def prepare(run: Run, customers: int, rng: random.Random, folder: Path) -> Campaign:
    """Import customers with a membership, of whom some have the campaign already."""
    before: dict[str, Segments] = {}
    for number in range(customers):
        segments = [{"type": "membership", "value": rng.choice(MEMBERSHIPS)}]
        before[f"{number:06}"] = segments + ([XMAS] if rng.randrange(HAD_ALREADY) == 0 else [])
    file = folder / "customers.jsonl"
    file.write_text("\n".join(json.dumps({"document_id": id_, "segments": value}) for id_, value in before.items()))
    _flask(run.environ, "customers", "import", str(file))
    return Campaign(run, rng, before)


def play(campaign: Campaign, edits: int) -> Iterator[str]:
    """Have the campaign come and go, with kills and edits; yield what is wrong."""
    run, ids = campaign.run, campaign.rng.sample([*campaign.before], edits)
    neutral = [{"add": [], "remove": []}, {"add": [], "remove": [{"type": "membership", "value": "GOLD"}]}]
    touching = [{"add": [EASTER], "remove": []}, {"add": [], "remove": [XMAS]}, {"add": [XMAS], "remove": [XMAS]}]
    started = time.monotonic()
    job_id = campaign.submit()
    kill_all(run, "while the file is checked")
    wait_for_state(run, job_id, "scheduled")
    kill_all(run, "before it comes")
    by_hand = threading.Thread(target=campaign.edit, args=(ids[: edits // 2], neutral))
    by_hand.start()
    kill_twice(run, job_id)
    wait_for_state(run, job_id, "done")
    by_hand.join()
    came = time.monotonic()
    by_hand = threading.Thread(target=campaign.edit, args=(ids[edits // 2 :], neutral + touching))
    by_hand.start()
    kill_all(run, "before it goes")
    revert_id = int(run.rows("SELECT revert_job_id FROM jobs WHERE id = :id", id=job_id)[0][0])
    wait_for_state(run, revert_id, "applying", "done")
    kill_twice(run, revert_id)
    wait_for_state(run, revert_id, "done")
    by_hand.join()
    print(f"  came after {came - started:.0f} s, gone after {time.monotonic() - started:.0f} s", flush=True)
    yield from check(campaign, job_id, revert_id)


def kill_all(run: Run, moment: str) -> None:
    """Kill all workers; the master starts others."""
    for pid in run.service.pids():
        kill(pid)
    print(f"  killed {moment}", flush=True)


def kill_twice(run: Run, job_id: int) -> None:
    """Kill all workers when the job has applied some batches, and again when it has applied more."""
    last = 0
    for number in range(2):
        while (state := state_of(run, job_id))[0] in ("scheduled", "checking", "applying"):
            if state[0] == "applying" and state[1] > last:
                last = state[1]
                kill_all(run, f"in job {job_id}, after {last:,} customers, kill {number + 1}")
                break
            time.sleep(POLL_S / 4)


# What is checked


def check(campaign: Campaign, job_id: int, revert_id: int) -> Iterator[str]:
    """Yield where a customer differs from what the change feed explains."""
    run = campaign.run
    change_sets = [
        int(run.rows("SELECT change_set_id FROM jobs WHERE id = :id", id=id_)[0][0]) for id_ in (job_id, revert_id)
    ]
    came, gone = map(str, change_sets)
    chains = read_chains(run, campaign.before)
    stored = read_customers(run)
    answered = Counter(id_ for id_, _patch in campaign.edits)
    conflicts = {
        id_ for (id_,) in run.rows("SELECT document_id FROM skipped_customers WHERE job_id = :id", id=revert_id)
    }
    totals: Counter[str] = Counter()
    for id_, before in campaign.before.items():
        chain = chains.get(id_, [])
        by_hand = [entry for entry in chain if entry["changeSet"] not in (came, gone)]
        yield from check_customer(id_, before, chain, came, gone, is_conflict=id_ in conflicts)
        if len(by_hand) != answered[id_]:
            yield f"{id_}: {answered[id_]} edits were answered, and {len(by_hand)} stand in the feed"
        if stored[id_] != (chain[-1]["after"] if chain else before):
            yield f"{id_}: has {stored[id_]}, and the feed ends with {chain[-1:]}"
        totals.update(
            came=any(entry["changeSet"] == came for entry in chain),
            gone=any(entry["changeSet"] == gone for entry in chain),
            edited=bool(by_hand),
            conflicts=id_ in conflicts,
            has_it=XMAS in stored[id_],
        )
    if report := _flask(run.environ, "segments", "recount").strip().replace("All counts were correct.", ""):
        yield f"a recount found differences: {report[:500]}"
    print(f"  {dict(totals)}", flush=True)


def check_customer(
    id_: str, before: Segments, chain: list[Any], came: str, gone: str, *, is_conflict: bool
) -> Iterator[str]:
    """Yield what is wrong with the changes of one customer."""
    current, has_come, has_gone, is_touched = before, False, False, False
    for entry in chain:
        if entry["before"] != current:
            yield f"{id_}: {entry['id']} begins with {entry['before']} in place of {current}"
        current = entry["after"]
        if entry["changeSet"] == came:
            has_come = True
            if current != [*entry["before"], XMAS]:
                yield f"{id_}: the campaign came to {entry['before']} and left {current}"
        elif entry["changeSet"] == gone:
            has_gone = True
            if is_touched or not has_come or current != [pair for pair in entry["before"] if pair != XMAS]:
                yield f"{id_}: the campaign went from {entry['before']} and left {current}"
        else:
            is_touched = is_touched or _campaigns(entry["before"]) != _campaigns(current)
    if has_come == (XMAS in before):
        yield f"{id_}: had {before}, and the campaign {'came' if has_come else 'did not come'}"
    if has_come and not has_gone and not is_touched:
        yield f"{id_}: the campaign did not go"
    is_as_before = _campaigns(current) == _campaigns(before)  # then the campaign has nothing to take back
    if is_conflict != (has_come and not has_gone and not is_as_before):
        yield f"{id_}: {'is' if is_conflict else 'is not'} listed as a conflict"


def _campaigns(segments: Segments) -> Segments:
    return [segment for segment in segments if segment["type"] == XMAS["type"]]


def read_chains(run: Run, before: dict[str, Segments]) -> dict[str, list[Any]]:
    """Return the changes of each customer after the first one, which is the import."""
    chains: dict[str, list[Any]] = defaultdict(list)
    after = ""
    while True:
        page = run.call(f"/api/v3/changes?limit=1000&kind=segments{after and '&after=' + quote(after)}")
        after = page["next"] or after
        for entry in page["changes"]:
            chains[entry["document_id"]].append(entry)
        if not page["changes"]:
            return {id_: chain[1:] for id_, chain in chains.items() if id_ in before}


def read_customers(run: Run) -> dict[str, Segments]:
    request = urllib.request.Request(
        f"{run.address}/api/v3/customers/export", headers={"Authorization": f"Bearer {run.token}"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        return {row["document_id"]: row["segments"] for row in map(json.loads, response)}


if __name__ == "__main__":
    main()
