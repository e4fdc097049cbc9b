"""The hits of the search in the header: customers, segments, pages and actions, listed while the operator types."""

from itertools import islice
from typing import Any, NamedTuple

from flask import render_template, url_for
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from app.core.counts.segment_counts import SegmentSize, largest_segments
from app.core.limits import MAX_QUERY_LENGTH
from app.core.search.customers import find_customers
from app.core.search.filters import Filter, Order
from app.core.search.terms import fold_accents
from app.pages import blueprint, list_query
from app.pages.auth import current_operator, require_role
from app.web.replica_reads import from_replica

MAX_HITS = 5
SEARCHED_SEGMENTS = 1_000
"""The largest segments are searched: their sizes are read in one query, whose cost the number of customers limits."""


class Destination(NamedTuple):
    label: LazyString
    endpoint: str
    role: str = "viewer"


DESTINATIONS = (
    Destination(_("Overview"), "pages.overview"),
    Destination(_("Customers"), "pages.customers"),
    Destination(_("Segments"), "pages.segments"),
    Destination(_("Possible duplicates"), "pages.similar_segments"),
    Destination(_("Imports"), "pages.imports"),
    Destination(_("Import a file"), "pages.imports", "editor"),
    Destination(_("Changes"), "pages.changes"),
    Destination(_("API tokens"), "pages.tokens", "admin"),
    Destination(_("Create an API token"), "pages.tokens", "admin"),
    Destination(_("Webhooks"), "pages.webhooks", "admin"),
    Destination(_("Team"), "pages.operators", "admin"),
    Destination(_("Invite a teammate"), "pages.operators", "admin"),
    Destination(_("Account and password"), "pages.account"),
    Destination(_("API documentation"), "api.docs"),
)


@blueprint.get("/search-hits")
@require_role("viewer")
@from_replica
def search_hits() -> Any:
    """Return the hits as an HTML fragment; without `q`, the pages and actions that are open to the operator."""
    q = list_query.text("q")[:MAX_QUERY_LENGTH]
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
    return list(islice(found, MAX_HITS))


def _destinations(q: str) -> list[Destination]:
    words = fold_accents(q).split()
    return [
        destination
        for destination in DESTINATIONS
        if current_operator().has_role(destination.role)
        and all(word in fold_accents(str(destination.label)) for word in words)
    ]
