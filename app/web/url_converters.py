"""How a document_id, a segment and a change set stand in a URL."""

from urllib.parse import quote, unquote

from werkzeug.routing import BaseConverter, IntegerConverter


class DocumentIdConverter(BaseConverter):
    """Any text at all: ids are the retailer's own, and may hold slashes, also at either end."""

    regex = r"[\s\S]+"
    part_isolating = False


class SegmentPartConverter(BaseConverter):
    """A type or a value: any text, also an empty one.

    What would divide the path, or be taken for a way up, is percent-encoded once more, as in `type:value` (contract
    §3); a lone percent sign stands for nothing.
    """

    regex = r"[^/]+"
    DOTS = (".", "..")

    def to_python(self, value: str) -> str:
        return "" if value == "%" else unquote(value)

    def to_url(self, value: str) -> str:
        once = value.replace("%", "%25").replace("/", "%2F") or "%"
        return quote(once.replace(".", "%2E") if once in self.DOTS else once, safe="")


class NumberConverter(IntegerConverter):
    """A number that a database can hold."""

    regex = r"[0-9]{1,18}"
