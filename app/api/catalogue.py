"""The catalogue: which segments there are, and how many customers hold each."""

from flask import Response, jsonify

from app.api import blueprint, cursors
from app.api.auth import require_scope
from app.api.parameters import limit, text
from app.core.counts.segment_counts import catalogue
from app.core.models.segments import SegmentPair
from app.web.cursors import encode_cursor


@blueprint.get("/v3/segments")
@require_scope("segments:read")
def segments() -> Response:
    """Segments that somebody holds, by type and value: contract §3."""
    most = limit()
    after = cursors.read("cursor", str, str)
    found = catalogue(SegmentPair(*after) if after else None, limit=most + 1, type_=text("type"))
    page = [size._asdict() for size in found[:most]]
    more = len(found) > most
    return jsonify(segments=page, next=encode_cursor(*found[most - 1].pair) if more else None)
