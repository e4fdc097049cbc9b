"""Change sets: the list with its filter, one change set, and undo."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import render_template

from app.core.changes.profiles import list_profile_changes
from app.core.counts.segment_deltas import deltas_by_change_set
from app.core.errors import CustomerNotFound
from app.core.history.change_sets import (
    START,
    ChangeSetFilter,
    list_actors,
    list_change_sets,
    list_reverts,
    list_segment_changes,
)
from app.core.history.segment_diff import diff_segments
from app.core.history.timeline import retained_since
from app.core.models.change_sets import ChangeSet, get_change_set
from app.core.models.segments import SegmentPair
from app.jobs.held_changes import count_held
from app.pages import blueprint, list_query
from app.pages.actor_texts import actors_named
from app.pages.auth import require_role
from app.pages.days import start_of_day, start_of_next_day
from app.pages.domain_texts import translate_domain_text
from app.pages.list_query import ListUrl, filter_parameters, parse_filter_form
from app.pages.template_filters import SOURCES
from app.web.cursors import encode_cursor
from app.web.replica_reads import from_replica

PAGE_SIZE = 50
CUSTOMERS_PAGE_SIZE = 50
MAX_PROFILE_CHANGES = 20
MAX_ACTORS = 200
MAX_DELTAS = 12
MAX_LISTED_DELTAS = 5


@dataclass(frozen=True)
class ChangeListFilter:
    """The filter of the list of change sets, as its form has it."""

    source: str | None = None
    actor: str | None = None
    customer: str | None = None
    segment: SegmentPair | None = None
    since: date | None = None
    until: date | None = None
    """The last day, included."""

    def change_set_filter(self) -> ChangeSetFilter:
        return ChangeSetFilter(
            source=self.source,
            actors=actors_named(self.actor) if self.actor else (),
            document_id=self.customer,
            segment=self.segment,
            since=start_of_day(self.since) if self.since else None,
            until=start_of_next_day(self.until) if self.until else None,
        )


@blueprint.get("/changes")
@require_role("viewer")
@from_replica
def changes() -> Any:
    filter_, errors = parse_filter_form(ChangeListFilter)
    before = list_query.cursor("before", int)
    rows = [] if errors else _find(filter_, errors, before[0] if before else None)
    page = rows[:PAGE_SIZE]
    urls = ListUrl(filter_parameters(filter_))
    return render_template(
        "changes.html",
        change_sets=page,
        held=count_held(),
        deltas=deltas_by_change_set([change_set.id for change_set in page], limit=MAX_LISTED_DELTAS),
        filter=filter_,
        filtered=bool(urls.parameters or errors),
        errors=errors,
        next_url=urls.changed(before=encode_cursor(page[-1].id)) if len(rows) > PAGE_SIZE else None,
        first_url=urls.changed() if before else None,
        actors=list_actors(limit=MAX_ACTORS),
        sources=SOURCES,
        retained_since=retained_since(),
    ), 422 if errors else 200


def _find(filter_: ChangeListFilter, errors: dict[str, str], before: int | None) -> list[ChangeSet]:
    """Return the next change sets; an unknown customer is noted in `errors`."""
    try:
        return list_change_sets(filter_.change_set_filter(), before=before, limit=PAGE_SIZE + 1)
    except CustomerNotFound as error:
        errors["customer"] = translate_domain_text(str(error))
        return []


@blueprint.get("/changes/<number:change_set_id>")
@require_role("viewer")
def change_set(change_set_id: int) -> Any:
    found = get_change_set(change_set_id)
    after = list_query.cursor("after", int, int)
    start = (after[0], after[1]) if after else START
    rows = list_segment_changes(change_set_id, after=start, limit=CUSTOMERS_PAGE_SIZE + 1)
    page = rows[:CUSTOMERS_PAGE_SIZE]
    has_next, urls = len(rows) > CUSTOMERS_PAGE_SIZE, ListUrl({})
    deltas = deltas_by_change_set([change_set_id])[change_set_id]
    return render_template(
        "change_set.html",
        change_set=found,
        deltas=deltas[:MAX_DELTAS],
        more_deltas=max(0, len(deltas) - MAX_DELTAS),
        changes=[(row, diff_segments(row.before, row.after)) for row in page],
        next_url=urls.changed(after=encode_cursor(page[-1].part_id, page[-1].number)) if has_next else None,
        first_url=urls.changed() if after else None,
        profile_changes=[] if after else list_profile_changes(change_set_id, limit=MAX_PROFILE_CHANGES),
        reverted_by=list_reverts(change_set_id),
    )
