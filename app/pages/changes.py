"""The record: every change set, who made it and what it did, and undoing it."""

from datetime import timedelta
from typing import Any

from flask import flash, redirect, render_template, url_for

from app.core.changes.profiles import fact_changes_in
from app.core.changes.revert import revert
from app.core.counts.segment_deltas import movements_of
from app.core.errors import CustomerNotFound
from app.core.history.change_sets import Chosen, changes_in, known_actors, list_change_sets, reverted_by
from app.core.history.segment_diff import difference
from app.core.history.timeline import kept_since
from app.core.models.change_sets import find_change_set
from app.pages import blueprint, list_query
from app.pages.auth import actor, open_to
from app.web.cursors import cursor_text

PAGE = 50
CUSTOMERS = 50
FACTS = 20
MOST_ACTORS = 200
MOST_MOVEMENTS = 12
MOST_CONFLICTS = 50
EXAMPLES = 5
SOURCES = ("api", "page", "command")


@blueprint.get("/changes")
@open_to("viewer")
def changes() -> Any:
    chosen, before = _chosen(), list_query.place("before", int)
    try:
        found = list_change_sets(chosen, before=before[0] if before else None, most=PAGE + 1)
        problem = None
    except CustomerNotFound as refusal:
        found, problem = [], str(refusal)
    shown = found[:PAGE]
    return render_template(
        "changes.html",
        change_sets=shown,
        movements=movements_of([change_set.id for change_set in shown]),
        chosen=chosen,
        problem=problem,
        following=list_query.url_with(before=cursor_text(shown[-1].id)) if len(found) > PAGE else None,
        first=list_query.url_with() if before else None,
        actors=known_actors(most=MOST_ACTORS),
        sources=SOURCES,
        kept_since=kept_since(),
        url_with=list_query.url_with,
    )


def _chosen() -> Chosen:
    since, until = list_query.day("since"), list_query.day("until")
    segment = list_query.text("segment")
    return Chosen(
        source=list_query.text("source") or None,
        actor=list_query.text("actor") or None,
        document_id=list_query.text("customer") or None,
        segment=list_query.segment(segment) if segment else None,
        since=list_query.beginning(since),
        until=list_query.beginning(until and until + timedelta(days=1)),
    )


@blueprint.get("/changes/<number:change_set_id>")
@open_to("viewer")
def change_set(change_set_id: int) -> Any:
    found = find_change_set(change_set_id)
    after = list_query.place("after", str)
    rows = changes_in(change_set_id, after=after[0] if after else "", most=CUSTOMERS + 1)
    shown = rows[:CUSTOMERS]
    movements = movements_of([change_set_id])[change_set_id]
    return render_template(
        "change_set.html",
        change_set=found,
        movements=movements[:MOST_MOVEMENTS],
        more_movements=max(0, len(movements) - MOST_MOVEMENTS),
        changes=[(row, difference(row.before, row.after)) for row in shown],
        following=list_query.url_with(after=cursor_text(shown[-1].document_id)) if len(rows) > CUSTOMERS else None,
        first=list_query.url_with() if after else None,
        fact_changes=[] if after else fact_changes_in(change_set_id, most=FACTS),
        undone_by=reverted_by(change_set_id),
    )


@blueprint.get("/changes/<number:change_set_id>/undo")
@open_to("editor")
def undo_preview(change_set_id: int) -> Any:
    """What an undo would do, found out by doing it and taking it back."""
    found = find_change_set(change_set_id)
    effect = revert(change_set_id, actor(), dry_run=True)
    rows = changes_in(change_set_id, most=EXAMPLES + len(effect.conflicts[:MOST_CONFLICTS]))
    examples = [row for row in rows if row.document_id not in effect.conflicts][:EXAMPLES]
    return render_template(
        "undo.html",
        change_set=find_change_set(found.id),
        effect=effect,
        conflicts=effect.conflicts[:MOST_CONFLICTS],
        examples=[(row, difference(row.after, row.before)) for row in examples],
    )


@blueprint.post("/changes/<number:change_set_id>/undo")
@open_to("editor")
def undo(change_set_id: int) -> Any:
    done = revert(change_set_id, actor())
    if done.change_set_id is None:
        flash("Nothing was changed: nobody is any more as this change left her.")
        return redirect(url_for("pages.change_set", change_set_id=change_set_id))
    left = f" {len(done.conflicts):,} were changed since, and left alone." if done.conflicts else ""
    flash(f"{done.customers:,} {'customer is' if done.customers == 1 else 'customers are'} as before.{left}")
    return redirect(url_for("pages.change_set", change_set_id=done.change_set_id))
