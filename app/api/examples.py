"""Values that the examples of several operations use; tests/api/test_openapi.py makes requests with them."""

from typing import Any

from app.api.api_blueprint import link
from app.core.models.customers import PROFILE_FIELD_NAMES

GOLD = {"type": "membership", "value": "GOLD"}
ANA = {
    "document_id": "1232-2323",
    **dict.fromkeys(PROFILE_FIELD_NAMES),
    "name": "Ana Gómez",
    "email": "ana@example.com",
    "phone": "+57 300 123 4567",
}
AT = "2026-11-23T08:00:00Z"

CUSTOMER_ID = {
    "in": "path",
    "name": "document_id",
    "description": "Any id, slashes included.",
    "example": "1232-2323",
}
SEGMENT_PATH = tuple(
    {
        "in": "path",
        "name": name,
        "description": f"The {name} of the segment; a slash or percent sign in it is percent-encoded twice.",
        "example": example,
    }
    for name, example in GOLD.items()
)
CHANGE_SET_ID = {
    "in": "path",
    "name": "change_set_id",
    "description": "As the header Change-Set named it.",
    "example": "42",
}
FIRST_DOCUMENT_ID = "$request.body#/customers/0/document_id"
CHANGE_SET_LINKS: dict[str, Any] = {
    "changeSet": link("readChangeSet", change_set_id="$response.header.Change-Set"),
    "revert": link("revertChangeSet", change_set_id="$response.header.Change-Set"),
}
