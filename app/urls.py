"""How a document_id stands in a URL."""

from werkzeug.routing import BaseConverter


class DocumentId(BaseConverter):
    """Any text at all: ids are the retailer's own, and may hold slashes, also at either end."""

    regex = r"[\s\S]+"
    part_isolating = False
