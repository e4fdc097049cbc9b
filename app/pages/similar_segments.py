"""Possible duplicates among the segments, and merging those that an editor selects: previewed, then one bulk edit."""

from typing import Any

from flask import render_template, request
from flask_babel import gettext as _

from app.core.counts.segment_counts import SegmentSize
from app.core.models.segment_rules import load_rules
from app.core.models.segments import SegmentPair
from app.core.search.similar_segments import find_all_similar, spelling_key
from app.jobs.bulk_edits import BulkEdit
from app.pages import blueprint
from app.pages.auth import require_role
from app.pages.bulk_edits import prepare
from app.pages.template_filters import number
from app.serialization.segment_notation import format_segment
from app.web.replica_reads import from_replica

MAX_GROUPS = 100
MAX_MERGED = 200
"""Segments merged by one bulk edit."""


@blueprint.get("/similar-segments")
@require_role("viewer")
@from_replica
def similar_segments() -> Any:
    """Show segments that may be one and the same with different spellings."""
    return _page(find_all_similar())


def _page(groups: list[list[SegmentSize]], error: str | None = None) -> Any:
    return render_template(
        "similar_segments.html",
        groups=groups[:MAX_GROUPS],
        count=sum(len(group) - 1 for group in groups[:MAX_GROUPS]),
        spelling_key=spelling_key,
        error=error,
    ), 422 if error else 200


@blueprint.post("/similar-segments")
@require_role("editor")
def similar_segments_merge() -> Any:
    """Prepare one bulk edit that merges the selected segments into the largest of their groups."""
    groups, selected = find_all_similar(), {*request.form.getlist("merge")}
    if "only" in request.form:
        selected = {request.form["only"]}
    targets = {other.pair: group[0].pair for group in groups for other in group[1:]}
    names = [(old, new) for old, new in targets.items() if format_segment(old) in selected]
    error = _error(names)
    if error:
        return _page(groups, error)
    segments = [pair.to_dict() for name in names for pair in name]
    return prepare(BulkEdit("rename", segments, governed=True))


def _error(names: list[tuple[SegmentPair, SegmentPair]]) -> str | None:
    rules = load_rules()
    if not names:
        return str(_("Select at least one segment."))
    if len(names) > MAX_MERGED:
        return str(_("At most %(count)s segments at a time.", count=number(MAX_MERGED)))
    for _old, new in names:
        if rules.is_refused(new):
            text = _("%(segment)s isn't in the list of values of its type.", segment=f"{new.type} {new.value}")
            return str(text)
    return None
