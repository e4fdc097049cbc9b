"""Whether what clients observed fits one order of changes per customer.

The change feed proposes the order. Each customer is a register whose writes are unique, so the check is exact: every
acknowledged write stands in the feed once, no refused write does, the order agrees with real time, and every read saw
a state that was current at some moment between its request and its response.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

Segments = list[dict[str, str]]
State = tuple[tuple[str, str], ...]


@dataclass
class ClientOperation:
    """One request for one customer: a write with a unique `value`, or a read that observed `state`."""

    kind: Literal["write", "read"]
    document_id: str
    invoked: float
    value: str = ""
    state: State | None = None
    completed: float = float("inf")
    outcome: Literal["ok", "refused", "unknown"] = "unknown"


@dataclass
class Entry:
    """A change of one customer as the feed reports it."""

    before: State
    after: State


@dataclass
class Chain:
    """The states of one customer in the order of the feed, and which write led to each."""

    entries: list[Entry] = field(default_factory=list)

    def places(self) -> dict[str, list[int]]:
        """Return by the value of a write the places at which it took effect."""
        places: dict[str, list[int]] = defaultdict(list)
        for number, entry in enumerate(self.entries):
            for value in {value for _, value in entry.after} - {value for _, value in entry.before}:
                places[value].append(number)
        return places


def state_of(segments: Segments) -> State:
    return tuple((segment["type"], segment["value"]) for segment in segments)


def find_violations(chains: dict[str, Chain], operations: Sequence[ClientOperation]) -> Iterator[str]:
    """Yield a sentence for each observation that no order of changes explains."""
    by_customer: dict[str, list[ClientOperation]] = {}
    for operation in operations:
        by_customer.setdefault(operation.document_id, []).append(operation)
    for document_id in chains.keys() | by_customer.keys():
        yield from _check_customer(document_id, chains.get(document_id, Chain()), by_customer.get(document_id, []))


def _check_customer(document_id: str, chain: Chain, operations: list[ClientOperation]) -> Iterator[str]:
    for before, entry in zip([Entry((), ()), *chain.entries], chain.entries, strict=False):
        if entry.before != before.after:
            yield f"{document_id}: a change begins at {entry.before}, the one before it ended at {before.after}"
    placed: dict[int, ClientOperation] = {}
    all_places = chain.places()
    for write in (operation for operation in operations if operation.kind == "write"):
        places = all_places.get(write.value, [])
        if write.outcome == "ok" and len(places) != 1:
            yield f"{document_id}: the acknowledged write {write.value} took effect {len(places)} times"
        elif write.outcome == "refused" and places:
            yield f"{document_id}: the refused write {write.value} took effect"
        elif len(places) > 1:
            yield f"{document_id}: the write {write.value} took effect {len(places)} times"
        if places:
            placed[places[0]] = write
    yield from _check_real_time(document_id, placed)
    for read in (operation for operation in operations if operation.kind == "read" and operation.outcome == "ok"):
        if not _is_explained(read, chain, placed):
            yield f"{document_id}: a read saw {read.state}, which was not current at that time"


def _check_real_time(document_id: str, placed: dict[int, ClientOperation]) -> Iterator[str]:
    latest: ClientOperation | None = None
    for _, write in sorted(placed.items()):
        if latest and write.completed < latest.invoked:
            yield f"{document_id}: {write.value} had completed before {latest.value} began, and is ordered after it"
        if latest is None or write.invoked > latest.invoked:
            latest = write


def _is_explained(read: ClientOperation, chain: Chain, placed: dict[int, ClientOperation]) -> bool:
    states = [(), *(entry.after for entry in chain.entries)]
    overwritten = max((number for number, write in placed.items() if write.completed < read.invoked), default=-1)
    for number, state in enumerate(states, start=-1):
        written = placed.get(number)
        if state == read.state and number >= overwritten and (written is None or written.invoked < read.completed):
            return True
    return False
