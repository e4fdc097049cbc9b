"""How URLs represent a document_id, a segment and a number."""

from urllib.parse import quote, unquote

from werkzeug.routing import BaseConverter, IntegerConverter


class DocumentIdConverter(BaseConverter):
    """Any text: ids come from the retailer, and may contain slashes, also at the start and the end."""

    regex = r"[\s\S]+"
    part_isolating = False


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
