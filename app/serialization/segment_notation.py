"""`type:value`, a segment as one text in URLs and options: contract §3."""

from urllib.parse import unquote

from app.core.models.segments import SegmentPair


class InvalidSegment(ValueError):
    """Not `type:value`."""


def parse_segment(text: str) -> SegmentPair:
    """Return the segment that `type:value` names. Raises InvalidSegment.

    The first colon divides; a colon or percent sign inside the type is percent-encoded.
    """
    type_, colon, value = text.partition(":")
    if not colon:
        raise InvalidSegment(f"{text!r} is not type:value.")
    return SegmentPair(unquote(type_), value)


def format_segment(segment: SegmentPair) -> str:
    """Return the segment as `type:value`."""
    return segment.type.replace("%", "%25").replace(":", "%3A") + ":" + segment.value
