"""The rule of the product: one function replaces segments, and leaves one change set behind."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.segment_updates import (
    AsOf,
    Parameters,
    PreparedUpdate,
    SegmentPatch,
    SegmentUpdate,
    as_of_parameters,
    build_update,
    select_missing_or_stale,
    staleness_check,
)
from app.core.counts.compaction import compact_when_due
from app.core.counts.customer_totals import INSERT_TOTALS, totals_parameters
from app.core.counts.segment_counts import INSERT_DELTAS, SegmentDeltas, delta_parameters
from app.core.database import now, run_in_transaction
from app.core.errors import Conflict
from app.core.models.change_sets import INSERT_CHANGE_SET, SUMMARY_COLUMNS, Actor, change_set_parameters
from app.core.models.segments import Segments

CHANGE_SETS_KEY = "recorded"
"""Under this name a session's `info` holds what was recorded in it, for whoever watches what is committed."""

MAX_DISTINCT_STATES = 50_000
"""Different lists of segments counted in memory; a file of any size may have one for each customer."""


@dataclass(frozen=True)
class Guard:
    """How many customers may lose all their segments at once: that many, or that percentage of those sent."""

    customers: int | None = None
    percent: int | None = None

    def holds(self, emptied: int, sent: int) -> bool:
        few = self.customers is None or emptied <= self.customers
        return few and (self.percent is None or emptied * 100 <= self.percent * sent)


@dataclass(frozen=True)
class ReplaceResult:
    """What became of the customers asked for; the lists in the order in which they were asked for."""

    changed: int
    unchanged: int
    not_found: list[str]
    stale: list[str]
    change_set_id: int | None = None
    """None when nothing changed: then nothing was recorded either."""


class ChangeTooLarge(Conflict):
    """More customers would have lost all their segments than the guard allows; `outcome` is what would have been."""

    code = "CHANGE_TOO_LARGE"
    explanation = "More customers would lose all their segments than the guard of the token allows. With the report."
    example = (
        "90 customers would lose all their segments: more than the guard of the token allows. Nothing was changed. "
        "To do it all the same: Guard: override."
    )

    def __init__(self, emptied: int, outcome: ReplaceResult) -> None:
        who = "1 customer" if emptied == 1 else f"{emptied} customers"
        super().__init__(
            f"{who} would lose all their segments: more than the guard of the token allows. Nothing was changed. "
            "To do it all the same: Guard: override."
        )
        self.outcome = outcome


@dataclass
class ChangeSetBuilder:
    """A change set in the making: everything recorded in it is committed together, or not at all."""

    session: Session
    actor: Actor
    note: str | None
    reverts: int | None
    id: int
    at: datetime
    changed: int = 0
    unchanged: int = 0
    emptied: int = 0
    """How many customers lost all their segments."""
    created: int = 0
    updated: int = 0
    """Customers who are new, and those of whom a fact was changed."""
    movements: SegmentDeltas = field(default_factory=SegmentDeltas)

    @property
    def written(self) -> bool:
        """Whether there is anything to record."""
        return bool(self.changed or self.created or self.updated)

    def count(self) -> None:
        """Write into the ledgers of counts what moved since the last time."""
        _INSERT_COUNTS.run(self.session, self._moved())

    def close(self) -> None:
        """The last act: the change set itself, which takes its position in the feed, and what moved."""
        told = change_set_parameters(
            self.id, self.at, self.actor, {name: getattr(self, name) for name in SUMMARY_COLUMNS}
        )
        _INSERT_CHANGE_SET.run(self.session, {**self._moved(), **told})

    def _moved(self) -> dict[str, Any]:
        day, with_segments = self.at.date(), self.movements.with_segments()
        return {
            **totals_parameters(day, with_segments=with_segments),
            **delta_parameters(day, self.actor.name, self.id, self.movements.pop()),
        }


_INSERT_COUNTS = dialects.CombinedInserts(INSERT_TOTALS, INSERT_DELTAS)
_INSERT_CHANGE_SET = dialects.CombinedInserts(INSERT_TOTALS, INSERT_DELTAS, INSERT_CHANGE_SET)


def replace_segments(  # noqa: PLR0913 - one function for everything that the contract's §1 and §2 say of a request
    wanted: Mapping[str, Segments] | Mapping[str, SegmentPatch] | PreparedUpdate,
    actor: Actor,
    *,
    as_of: AsOf = None,
    note: str | None = None,
    guard: Guard | None = None,
    dry_run: bool = False,
    session: Session | None = None,
) -> ReplaceResult:
    """Replace the segments of each customer in `wanted`, `{document_id: segments}`: contract §1.

    One transaction: all of it is committed, or none. Customers are never created. Customers changed after `as_of`, a
    moment or the version of one customer, are left alone (contract §2). A `SegmentPatch` in place of segments adds and
    removes instead; a `PreparedUpdate` is the same in less memory. A `dry_run` is rolled back. With a `session` it is
    part of that transaction, which the caller commits.

    Raises ChangeTooLarge, if there is a `guard`, and Unavailable when the database is away or busy.
    """

    asked = wanted if isinstance(wanted, PreparedUpdate) else PreparedUpdate.of(wanted)

    def work(session: Session) -> ReplaceResult:
        with open_change_set(session, actor, note=note) as change_set:
            outcome = replace_segments_in(change_set, asked, as_of=as_of)
            if guard and not guard.holds(change_set.emptied, len(asked.document_ids)):
                raise ChangeTooLarge(change_set.emptied, replace(outcome, change_set_id=None))
        return outcome

    if session is not None:
        return work(session)
    outcome = run_in_transaction(work, keep=not dry_run)
    if dry_run:
        return replace(outcome, change_set_id=None)
    if outcome.change_set_id:
        compact_when_due(outcome.change_set_id)
    return outcome


_NEXT_ID = select(dialects.next_change_set_id())


@contextmanager
def open_change_set(
    session: Session,
    actor: Actor,
    *,
    note: str | None = None,
    reverts: int | None = None,
    at: datetime | None = None,
) -> Iterator[ChangeSetBuilder]:
    """Open a change set in this transaction; written at the end, if anything was changed.

    `reverts` is the id of the change set that this one undoes; `at` is now, except in an invented past.
    """
    number = session.scalars(_NEXT_ID).one()
    change_set = ChangeSetBuilder(session, actor, note, reverts, number, at or now())
    yield change_set
    session.info.setdefault(CHANGE_SETS_KEY, []).append(change_set)
    if change_set.written:
        change_set.close()


def replace_segments_in(change_set: ChangeSetBuilder, asked: PreparedUpdate, *, as_of: AsOf = None) -> ReplaceResult:
    """Replace segments as part of an open change set; a file's batches, each with customers of its own, share one."""
    changed = set(apply_update(change_set, asked.edit, asked.sent, as_of=as_of))
    outcome = _result(change_set, asked.document_ids, changed, as_of)
    change_set.unchanged += outcome.unchanged
    return outcome


def apply_update(
    change_set: ChangeSetBuilder, edit: SegmentUpdate, sent: Parameters, *, as_of: AsOf = None
) -> list[str]:
    """The one statement that changes segments. Gives back whose, and keeps the record and the counts."""
    made = {**sent, **as_of_parameters(as_of), "made_at": change_set.at, "made_in": change_set.id}
    rows = build_update(edit, staleness_check(as_of)).run(change_set.session, made)
    if not rows:
        return []
    changed, before, after = zip(*rows, strict=True)
    change_set.movements.add(before, after)
    if len(change_set.movements) > MAX_DISTINCT_STATES:
        change_set.count()
    change_set.changed += len(changed)
    change_set.emptied += after.count("[]")
    return list(changed)


def _result(change_set: ChangeSetBuilder, document_ids: list[str], changed: set[str], as_of: AsOf) -> ReplaceResult:
    """Tell apart those who were not changed: already as wanted, changed too recently, or not there at all."""
    rest = [document_id for document_id in document_ids if document_id not in changed]
    left: dict[str, bool] = {}
    if rest:
        rows = change_set.session.execute(
            select_missing_or_stale(staleness_check(as_of)), {"rest": rest, **as_of_parameters(as_of)}
        )
        left = {document_id: bool(is_there) for document_id, is_there in rows}
    return ReplaceResult(
        changed=len(changed),
        unchanged=len(rest) - len(left),
        not_found=[document_id for document_id in rest if left.get(document_id) is False],
        stale=[document_id for document_id in rest if left.get(document_id)],
        change_set_id=change_set.id if changed else None,
    )
