"""Fragments for the segment editor while an operator types: similar segments, and the values of a type."""

from typing import Any

from flask import render_template

from app.core.counts.segment_counts import largest_segments
from app.core.models.segments import SegmentPair
from app.pages import blueprint, list_query
from app.pages.auth import require_role
from app.pages.editor import similar_if_new
from app.web.replica_reads import from_replica

MAX_SUGGESTIONS = 100


@blueprint.get("/segment-check")
@require_role("viewer")
@from_replica
def segment_check() -> Any:
    """Return the existing segments that resemble a new one, `?type=…&value=…`."""
    type_, value = list_query.text("type"), list_query.text("value")
    similar = similar_if_new(SegmentPair(type_, value)) if type_ and value else []
    return render_template("components/similar_segments.html", similar=similar)


@blueprint.get("/segment-suggestions")
@require_role("viewer")
@from_replica
def segment_suggestions() -> Any:
    """Return the most frequent values of a type as options of a datalist."""
    segments = largest_segments(limit=MAX_SUGGESTIONS, type_=list_query.text("type"))
    return render_template("components/value_options.html", segments=segments)
