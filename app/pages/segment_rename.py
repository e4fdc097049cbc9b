"""Rename a segment, or merge it into another one: previewed, then applied as a bulk edit."""

from typing import Any

from flask import render_template, request
from flask_babel import gettext as _

from app.core.counts.segment_counts import SegmentSize, count_holders, largest_segments
from app.core.limits import MAX_SEGMENT_TEXT_LENGTH
from app.core.models.customers import is_storable
from app.core.models.segment_rules import load_rules
from app.core.models.segments import SegmentPair
from app.core.search.filters import Filter
from app.jobs.bulk_edits import BulkEdit
from app.pages import blueprint
from app.pages.auth import require_role
from app.pages.bulk_edits import prepare
from app.pages.editor import similar_if_new
from app.pages.reasons import parse_reason
from app.pages.template_filters import number

URL = "/segments/<segment_part:type>/<segment_part:value>/rename"
MAX_SUGGESTIONS = 100


@blueprint.get(URL)
@require_role("editor")
def segment_rename(type: str, value: str) -> Any:
    segment = SegmentPair(type, value)
    return _page(segment, segment)


def _page(
    old: SegmentPair,
    new: SegmentPair,
    error: str | None = None,
    similar: list[SegmentSize] | None = None,
    *,
    unlisted: bool = False,
) -> Any:
    return render_template(
        "segment_rename.html",
        segment=old,
        new=new,
        error=error,
        similar=similar or [],
        unlisted=unlisted,
        customers=count_holders(old),
        suggested=largest_segments(limit=MAX_SUGGESTIONS),
    ), 422 if error or similar or unlisted else 200


@blueprint.post(URL)
@require_role("editor")
def segment_rename_prepare(type: str, value: str) -> Any:
    """Prepare the rename, unless the new name is invalid or resembles that of a third segment."""
    old, new = SegmentPair(type, value), SegmentPair(request.form.get("type", ""), request.form.get("value", ""))
    error = _error(old, new)
    if error:
        return _page(old, new, error)
    rules = load_rules()
    if rules.is_refused(new):
        values = ", ".join(rules.by_type[new.type].allowed_values)
        return _page(old, new, _("Choose one of: %(values)s", values=values))
    similar, unlisted = [size for size in similar_if_new(new) if size.pair != old], rules.is_unlisted(new)
    if (similar or unlisted) and "confirmed" not in request.form:
        return _page(old, new, similar=similar, unlisted=unlisted)
    segments, filter_ = [old.to_dict(), new.to_dict()], Filter(segments=(old,))
    return prepare(BulkEdit("rename", segments, filter_, reason=parse_reason(), governed=True))


def _error(old: SegmentPair, new: SegmentPair) -> str | None:
    if not (new.type and new.value):
        return str(_("Enter both a type and a value."))
    if any(len(part) > MAX_SEGMENT_TEXT_LENGTH for part in new):
        return str(_("At most %(count)s characters.", count=number(MAX_SEGMENT_TEXT_LENGTH)))
    if not all(map(is_storable, new)):
        return str(_("Contains an invalid character."))
    return str(_("That's already its name.")) if new == old else None
