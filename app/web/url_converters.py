"""How URLs represent a document_id, a segment and a number."""

import re
from urllib.parse import quote, unquote

from werkzeug.routing import BaseConverter, IntegerConverter


class DocumentIdConverter(BaseConverter):
    """Any text: ids come from the retailer, and may contain slashes, also at the start and the end.

    A path segment `.` or `..` of an id is written `%2E` or `%2E%2E`, percent-encoded once more in a URL.
    """

    regex = r"[\s\S]+"
    part_isolating = False

    def to_python(self, value: str) -> str:
        return "/".join(_decode_dots(segment) for segment in value.split("/"))

    def to_url(self, value: str) -> str:
        return quote("/".join(_encode_dots(segment) for segment in value.split("/")), safe="/")


class CustomerIdConverter(DocumentIdConverter):
    """A document_id that ends a URL; the fixed paths below `/customers` keep their meaning for every method.

    A mistaken PUT must not reach a customer called "segments", or "segments/" (contract §8).
    """

    regex = r"(?!(?:[\s\S]*/)?(?:segments|rename)/*\Z)(?!(?:lookup|export)/*\Z)[\s\S]+"


ENCODED_DOTS = re.compile(r"%(?:25)*2E(?:%(?:25)*2E)?")
"""What `_encode_dots` may return: an id that contains such a segment itself gets one more level of encoding."""


def _encode_dots(segment: str) -> str:
    """Encode `.` and `..`, which browsers take for steps in the path, also when they are percent-encoded once."""
    if segment in (".", ".."):
        return segment.replace(".", "%2E")
    return segment.replace("%", "%25") if ENCODED_DOTS.fullmatch(segment) else segment


def _decode_dots(segment: str) -> str:
    if not ENCODED_DOTS.fullmatch(segment):
        return segment
    return segment.replace("%25", "%") if "%25" in segment else segment.replace("%2E", ".")


class SegmentPartConverter(BaseConverter):
    """A segment's type or value: any text, also an empty one.

    A slash, and a part of dots only, is percent-encoded twice, as in `type:value` (contract §3). A single percent sign
    represents the empty text.
    """

    regex = r"[^/]+"
    DOTS = (".", "..")

    def to_python(self, value: str) -> str:
        return "" if value == "%" else unquote(value)

    def to_url(self, value: str) -> str:
        encoded = value.replace("%", "%25").replace("/", "%2F") or "%"
        return quote(encoded.replace(".", "%2E") if encoded in self.DOTS else encoded, safe="")


class NumberConverter(IntegerConverter):
    """A number that fits into a database column."""

    regex = r"[0-9]{1,18}"
