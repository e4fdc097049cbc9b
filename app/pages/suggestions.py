"""What the editor is told while somebody types: the values there are, and whether a spelling is close to one."""

from typing import Any

from flask import render_template

from app.core.counts.segment_counts import largest_segments
from app.core.models.segments import SegmentPair
from app.pages import blueprint, list_query
from app.pages.auth import require_role
from app.pages.editor import similar_if_new

MAX_SUGGESTIONS = 100


@blueprint.get("/segment-check")
@require_role("viewer")
def segment_check() -> Any:
    """Whether a segment is new, and spelled almost like another one: asked while it is typed."""
    type_, value = list_query.text("type"), list_query.text("value")
    return render_template(
        "components/similar_segments.html",
        near=similar_if_new(SegmentPair(type_, value)) if type_ and value else [],
        row=None,
    )


@blueprint.get("/segment-suggestions")
@require_role("viewer")
def segment_suggestions() -> Any:
    """The values that customers hold of a type, for the editor's list."""
    held = largest_segments(limit=MAX_SUGGESTIONS, type_=list_query.text("type"))
    return render_template("components/value_options.html", held=held)
