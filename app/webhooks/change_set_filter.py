"""Which change sets a webhook selects that is limited to events or segment types."""

from collections.abc import Collection

from app.core.history.change_sets import START, list_entries
from app.core.models.segments import Segments
from app.webhooks.messages import CHANGE_SET
from app.webhooks.models import Webhook

PAGE_SIZE = 1_000


def selects_change_set(webhook: Webhook, change_set_id: int) -> bool:
    """Return whether the webhook receives this change set."""
    if webhook.events and CHANGE_SET not in webhook.events:
        return False
    return not webhook.types or changes_types(change_set_id, webhook.types)


def changes_types(change_set_id: int, types: Collection[str]) -> bool:
    """Return whether a change set changed any customer's segments of these types."""
    after = START
    while rows := list_entries(change_set_id, ["segments"], after=after, limit=PAGE_SIZE):
        if any(_of_types(row.before, types) != _of_types(row.after, types) for row in rows):
            return True
        after = (rows[-1].position, rows[-1].number)
    return False


def _of_types(segments: Segments, types: Collection[str]) -> Segments:
    return [segment for segment in segments if segment["type"] in types]
