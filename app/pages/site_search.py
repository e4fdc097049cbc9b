"""The hits of the search in the header, listed while the operator types: customers, views, segments, pages, actions."""

from typing import Any, NamedTuple

from flask import render_template, url_for
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from app.access.saved_views import list_views
from app.core.limits import MAX_QUERY_LENGTH
from app.core.search.catalogue import find_segments
from app.core.search.customers import find_customers
from app.core.search.filters import Filter, Order
from app.core.search.terms import fold_accents
from app.pages import blueprint, list_query
from app.pages.auth import current_operator, require_role
from app.web.replica_reads import from_replica

MAX_HITS = 5


class Destination(NamedTuple):
    label: LazyString
    endpoint: str
    role: str = "viewer"


DESTINATIONS = (
    Destination(_("Overview"), "pages.overview"),
    Destination(_("Customers"), "pages.customers"),
    Destination(_("New customer"), "pages.customer_new", "editor"),
    Destination(_("Segments"), "pages.segments"),
    Destination(_("Possible duplicates"), "pages.similar_segments"),
    Destination(_("Compare two days"), "pages.segment_days"),
    Destination(_("Rules of types"), "pages.segment_types", "editor"),
    Destination(_("Imports"), "pages.imports"),
    Destination(_("Import a file"), "pages.imports", "editor"),
    Destination(_("Changes"), "pages.changes"),
    Destination(_("Waiting for approval"), "pages.approvals"),
    Destination(_("API tokens"), "pages.tokens", "admin"),
    Destination(_("Create an API token"), "pages.tokens", "admin"),
    Destination(_("Webhooks"), "pages.webhooks", "admin"),
    Destination(_("Team"), "pages.operators", "admin"),
    Destination(_("Invite a teammate"), "pages.operators", "admin"),
    Destination(_("Audit log"), "pages.audit_log", "admin"),
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
        segments=find_segments(q, limit=MAX_HITS) if q else [],
        views=_views(q) if q else [],
        destinations=_destinations(q),
        all_url=url_for("pages.customers", q=q) if q else None,
    )


def _views(q: str) -> list[Any]:
    return [view for view in list_views() if _contains(view.name, q)][:MAX_HITS]


def _destinations(q: str) -> list[Destination]:
    is_open = current_operator().has_role
    return [item for item in DESTINATIONS if is_open(item.role) and _contains(str(item.label), q)]


def _contains(text: str, q: str) -> bool:
    return all(word in fold_accents(text) for word in fold_accents(q).split())
