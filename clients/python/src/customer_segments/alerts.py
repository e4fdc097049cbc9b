"""Alerts on the sizes of segments and types."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import httpx

from customer_segments.transport import Transport

ALERTS = "/api/v3/alerts"


@dataclass(frozen=True)
class Alert:
    """A condition on the size of a segment, or of a type if `value` is None."""

    type: str
    value: str | None
    condition: str
    """`below` or `above` a number of customers, or `change` by more than some percent in a day."""
    threshold: int
    raised_at: datetime | None
    """Since when it is raised; None while it is not."""


class Alerts:
    """The alerts of the service. Webhooks receive `segment.alert` when one is raised or cleared."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[Alert]:
        return _alerts(self._transport.send("GET", ALERTS))

    def set(
        self,
        type_: str,
        value: str | None = None,
        *,
        below: int | None = None,
        above: int | None = None,
        change: int | None = None,
    ) -> Sequence[Alert]:
        """Give a segment, or a whole type without `value`, exactly these alerts, and return them."""
        body = {"type": type_, "value": value, "below": below, "above": above, "change": change}
        return _alerts(self._transport.send("PUT", ALERTS, json=body))


def _alerts(response: httpx.Response) -> list[Alert]:
    return [
        Alert(
            content["type"],
            content["value"],
            content["condition"],
            content["threshold"],
            datetime.fromisoformat(content["raisedAt"]) if content["raisedAt"] else None,
        )
        for content in response.json()["alerts"]
    ]
