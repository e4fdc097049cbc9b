"""The record: every change set, who made it and what it did, and undoing it."""

from datetime import timedelta
from typing import Any

from flask import flash, redirect, render_template, url_for

from app.core.changes.profiles import list_profile_changes
from app.core.changes.revert import revert
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
from app.core.models.change_sets import get_change_set
from app.pages import blueprint, list_query
from app.pages.auth import current_actor, require_role
from app.web.cursors import encode_cursor

PAGE_SIZE = 50
CUSTOMERS_PAGE_SIZE = 50
MAX_PROFILE_CHANGES = 20
MAX_ACTORS = 200
MAX_DELTAS = 12
MAX_CONFLICTS = 50
MAX_EXAMPLES = 5
SOURCES = ("api", "page", "command")


@blueprint.get("/changes")
@require_role("viewer")
def changes() -> Any:
    chosen, before = _chosen(), list_query.cursor("before", int)
    try:
        found = list_change_sets(chosen, before=before[0] if before else None, limit=PAGE_SIZE + 1)
        problem = None
    except CustomerNotFound as refusal:
        found, problem = [], str(refusal)
    shown = found[:PAGE_SIZE]
    return render_template(
        "changes.html",
        change_sets=shown,
        movements=deltas_by_change_set([change_set.id for change_set in shown]),
        chosen=chosen,
        problem=problem,
        following=list_query.url_with(before=encode_cursor(shown[-1].id)) if len(found) > PAGE_SIZE else None,
        first=list_query.url_with() if before else None,
        actors=list_actors(limit=MAX_ACTORS),
        sources=SOURCES,
        kept_since=retained_since(),
        url_with=list_query.url_with,
    )


def _chosen() -> ChangeSetFilter:
    since, until = list_query.day("since"), list_query.day("until")
    segment = list_query.text("segment")
    return ChangeSetFilter(
        source=list_query.text("source") or None,
        actor=list_query.text("actor") or None,
        document_id=list_query.text("customer") or None,
        segment=list_query.segment(segment) if segment else None,
        since=list_query.start_of_day(since),
        until=list_query.start_of_day(until and until + timedelta(days=1)),
    )


@blueprint.get("/changes/<number:change_set_id>")
@require_role("viewer")
def change_set(change_set_id: int) -> Any:
    found = get_change_set(change_set_id)
    after = list_query.cursor("after", int, int)
    rows = list_segment_changes(
        change_set_id, after=(after[0], after[1]) if after else START, limit=CUSTOMERS_PAGE_SIZE + 1
    )
    shown = rows[:CUSTOMERS_PAGE_SIZE]
    movements = deltas_by_change_set([change_set_id])[change_set_id]
    return render_template(
        "change_set.html",
        change_set=found,
        movements=movements[:MAX_DELTAS],
        more_movements=max(0, len(movements) - MAX_DELTAS),
        changes=[(row, diff_segments(row.before, row.after)) for row in shown],
        following=list_query.url_with(after=encode_cursor(shown[-1].part_id, shown[-1].number))
        if len(rows) > CUSTOMERS_PAGE_SIZE
        else None,
        first=list_query.url_with() if after else None,
        profile_changes=[] if after else list_profile_changes(change_set_id, limit=MAX_PROFILE_CHANGES),
        undone_by=list_reverts(change_set_id),
    )


@blueprint.get("/changes/<number:change_set_id>/undo")
@require_role("editor")
def undo_preview(change_set_id: int) -> Any:
    """What an undo would do, found out by doing it and taking it back."""
    found = get_change_set(change_set_id)
    effect = revert(change_set_id, current_actor(), dry_run=True)
    rows = list_segment_changes(change_set_id, limit=MAX_EXAMPLES + len(effect.conflicts[:MAX_CONFLICTS]))
    examples = [row for row in rows if row.document_id not in effect.conflicts][:MAX_EXAMPLES]
    return render_template(
        "change_set_undo.html",
        change_set=get_change_set(found.id),
        effect=effect,
        conflicts=effect.conflicts[:MAX_CONFLICTS],
        examples=[(row, diff_segments(row.after, row.before)) for row in examples],
    )


@blueprint.post("/changes/<number:change_set_id>/undo")
@require_role("editor")
def undo(change_set_id: int) -> Any:
    done = revert(change_set_id, current_actor())
    if done.change_set_id is None:
        flash("Nothing was changed: nobody is any more as this change left her.")
        return redirect(url_for("pages.change_set", change_set_id=change_set_id))
    left = f" {len(done.conflicts):,} were changed since, and left alone." if done.conflicts else ""
    flash(f"{done.customers:,} {'customer is' if done.customers == 1 else 'customers are'} as before.{left}")
    return redirect(url_for("pages.change_set", change_set_id=done.change_set_id))
