"""How a document_id stands in a URL."""

from werkzeug.routing import BaseConverter, IntegerConverter


class DocumentId(BaseConverter):
    """Any text at all: ids are the retailer's own, and may hold slashes, also at either end."""

    regex = r"[\s\S]+"
    part_isolating = False


class ChangeSetId(IntegerConverter):
    """A number that a database can hold."""

    regex = r"[0-9]{1,18}"
