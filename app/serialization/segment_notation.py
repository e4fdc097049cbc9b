"""`type:value`, a segment as one text in URLs and options: contract §3."""

from collections.abc import Mapping
from urllib.parse import unquote


class InvalidSegment(ValueError):
    """Not `type:value`."""


def parse_segment(text: str) -> dict[str, str]:
    """The first colon divides; a colon or percent sign inside the type is percent-encoded. Raises InvalidSegment."""
    type_, colon, value = text.partition(":")
    if not colon:
        raise InvalidSegment(f"{text!r} is not type:value.")
    return {"type": unquote(type_), "value": value}


def format_segment(segment: Mapping[str, str]) -> str:
    return segment["type"].replace("%", "%25").replace(":", "%3A") + ":" + segment["value"]
