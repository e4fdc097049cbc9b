"""The hits of the search in the header: customers, segments, pages and actions, listed while the operator types."""

from typing import Any, NamedTuple

from flask import render_template, url_for

from app.core.counts.segment_counts import SegmentSize, largest_segments
from app.core.search.customers import find_customers
from app.core.search.filters import Filter, Order
from app.core.search.terms import fold_accents
from app.pages import blueprint, list_query
from app.pages.auth import current_operator, require_role

MAX_HITS = 5
SEARCHED_SEGMENTS = 1_000
"""The largest segments are searched: their sizes are read in one query, whose cost the number of customers limits."""


class Destination(NamedTuple):
    label: str
    endpoint: str
    role: str = "viewer"


DESTINATIONS = (
    Destination("Overview", "pages.overview"),
    Destination("Customers", "pages.customers"),
    Destination("Segments", "pages.segments"),
    Destination("Possible duplicates", "pages.similar_segments"),
    Destination("Imports", "pages.imports"),
    Destination("Import a file", "pages.imports", "editor"),
    Destination("Changes", "pages.changes"),
    Destination("API tokens", "pages.tokens", "admin"),
    Destination("Create an API token", "pages.tokens", "admin"),
    Destination("Webhooks", "pages.webhooks", "admin"),
    Destination("Team", "pages.operators", "admin"),
    Destination("Invite a teammate", "pages.operators", "admin"),
    Destination("Account and password", "pages.account"),
    Destination("API documentation", "api.docs"),
)


@blueprint.get("/search-hits")
@require_role("viewer")
def search_hits() -> Any:
    """Return the hits as an HTML fragment; without `q`, the pages and actions that are open to the operator."""
    q = list_query.text("q")[: list_query.MAX_QUERY_LENGTH]
    return render_template(
        "components/search_hits.html",
        q=q,
        customers=find_customers(Filter(q=q), Order("name"), limit=MAX_HITS) if q else [],
        segments=_segments(q) if q else [],
        destinations=_destinations(q),
        all_url=url_for("pages.customers", q=q) if q else None,
    )


def _segments(q: str) -> list[SegmentSize]:
    """Return the largest segments whose type and value contain every word of `q`."""
    words = fold_accents(q).replace(":", " ").split()
    found = (
        size
        for size in largest_segments(limit=SEARCHED_SEGMENTS)
        if all(word in fold_accents(f"{size.type} {size.value}") for word in words)
    )
    return [size for size, _ in zip(found, range(MAX_HITS), strict=False)]


def _destinations(q: str) -> list[Destination]:
    words = fold_accents(q).split()
    return [
        destination
        for destination in DESTINATIONS
        if current_operator().has_role(destination.role)
        and all(word in fold_accents(destination.label) for word in words)
    ]
