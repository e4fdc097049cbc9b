"""The limit of segments per customer, for bodies with many customers: whom a refusal names, and where they are."""

from typing import Any

from app.core.models.segment_limit import refuse_over_limit, segment_limit


def check_sent_segments(body: Any) -> None:
    """Raise InvalidInput if more segments are sent for a customer than one may have."""
    limit = segment_limit()
    if limit is not None:
        sent = ((index, row["segments"] or ()) for index, row in enumerate(body["customers"]))
        refuse_over_limit(f"customers[{index}].segments" for index, segments in sent if len(segments) > limit)


def positions_of(body: Any) -> dict[str, int]:
    """Return the index of the first entry of each customer; nothing if there is no limit, for which it is needed."""
    if segment_limit() is None:
        return {}
    rows = list(enumerate(body["customers"]))
    return {row["document_id"]: index for index, row in reversed(rows)}
