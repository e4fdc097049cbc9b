"""The change feed as a client reads it, and a mirror that follows it."""

from typing import Any
from urllib.parse import quote

from app.core.database import db
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer
from tests.support.clients import Api
from tests.support.customers import Segments

FIELDS = (*PROFILE_FIELD_NAMES, "segments")

Mirror = dict[str, dict[str, Any]]
"""`{document_id: {…, "segments"}}`, with the fields of the profile."""


def read(api: Api, after: str | None = None, limit: int = 1000, query: str = "") -> tuple[list[Any], str]:
    """Return one page of the feed and the cursor after it."""
    url = f"/api/v3/changes?limit={limit}{query}" + (f"&after={quote(after)}" if after else "")
    result = api.get(url).json
    assert len(result["changes"]) <= limit
    return result["changes"], result["next"]


def read_all(api: Api, after: str | None = None, limit: int = 1000, query: str = "") -> tuple[list[Any], str]:
    """Return all entries that follow, and the cursor after them."""
    changes: list[Any] = []
    while True:
        page, after = read(api, after, limit, query)
        if not page:
            return changes, after
        changes += page


def replay(changes: list[Any], start: dict[str, Segments]) -> dict[str, Segments]:
    """Return the segments that the changes lead to; each must begin where the one before it ended."""
    state = dict(start)
    for change in changes:
        if change["kind"] == "segments":
            assert state[change["document_id"]] == change["before"]
            state[change["document_id"]] = change["after"]
    return state


def follow(mirror: Mirror, changes: list[Any]) -> Mirror:
    """Apply entries to a mirror, as contract §8 tells clients to."""
    for change in changes:
        document_id = change["document_id"]
        match change["kind"]:
            case "created":
                mirror[document_id] = {**change["after"], "segments": []}
            case "deleted":
                mirror.pop(document_id, None)
            case "renamed":
                mirror[change["newDocumentId"]] = mirror.pop(document_id)
            case "profile":
                mirror[document_id] |= change["after"]
            case "segments":
                mirror[document_id]["segments"] = change["after"]
    return mirror


def stored_customers() -> Mirror:
    """Return the customers in the database, as a mirror of them must be."""
    db.session.rollback()
    return {row.document_id: {name: getattr(row, name) for name in FIELDS} for row in db.session.query(Customer)}
