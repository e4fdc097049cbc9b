"""Webhooks: manage them, and verify the messages that they send."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from customer_segments.errors import InvalidSignature
from customer_segments.transport import Transport

WEBHOOKS = "/api/v3/webhooks"
MAX_AGE_S = 300
PREFIX = "whsec_"


@dataclass(frozen=True)
class Webhook:
    """A URL that receives events."""

    id: str
    url: str
    types: list[str]
    """Of change sets and alerts, only those about segments of these types are sent; empty for all."""
    state: str
    """`active`, or `paused` until it is resumed."""
    created_at: datetime
    secret: str | None = None
    """Signs its messages. Only `create` and `rotate` return it; store it, it is not shown again."""
    events: list[str] = field(default_factory=list)
    """Only these events are sent; empty for all."""
    previous_until: datetime | None = None
    """Until when messages are signed with the secret before as well; only `rotate` returns it."""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Webhook":
        until = content.get("previousUntil")
        return cls(
            id=content["id"],
            url=content["url"],
            types=content["types"],
            state=content["state"],
            created_at=datetime.fromisoformat(content["createdAt"]),
            secret=content.get("secret"),
            events=content.get("events", []),
            previous_until=datetime.fromisoformat(until) if until else None,
        )


class Webhooks:
    """The webhooks of the service; the token needs the scope `webhooks:write`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, url: str, types: Iterable[str] = (), *, events: Iterable[str] = ()) -> Webhook:
        """Create a webhook, and return it with its secret.

        With `events`, it receives only these; with `types`, only change sets that change segments of these types, and
        alerts on them. Raises ApiError, for example with code DISALLOWED_URL. Not retried, because that could create
        two: look at `list` if the response got lost.
        """
        body = {"url": url, "types": list(types), "events": list(events)}
        return Webhook.from_json(self._transport.send("POST", WEBHOOKS, json=body, retry=False).json())

    def list(self) -> list[Webhook]:
        response = self._transport.send("GET", WEBHOOKS)
        return [Webhook.from_json(content) for content in response.json()["webhooks"]]

    def get(self, webhook: str) -> Webhook:
        return Webhook.from_json(self._transport.send("GET", _path(webhook)).json())

    def update(
        self,
        webhook: str,
        *,
        url: str | None = None,
        types: Iterable[str] | None = None,
        events: Iterable[str] | None = None,
        paused: bool | None = None,
    ) -> Webhook:
        """Change a webhook, and return it; what is None stays. Pending deliveries go to the new `url`."""
        filters = {"types": types, "events": events}
        body: dict[str, Any] = {name: list(values) for name, values in filters.items() if values is not None}
        if url is not None:
            body["url"] = url
        if paused is not None:
            body["state"] = "paused" if paused else "active"
        return Webhook.from_json(self._transport.send("PATCH", _path(webhook), json=body).json())

    def rotate(self, webhook: str, *, overlap_hours: int = 24) -> Webhook:
        """Give a webhook another secret, and return it with that; messages are signed with both for the overlap.

        Not retried: if the response got lost, rotate again.
        """
        body = {"overlapHours": overlap_hours}
        return Webhook.from_json(
            self._transport.send("POST", f"{_path(webhook)}/rotate", json=body, retry=False).json()
        )

    def send_test(self, webhook: str) -> str:
        """Send a message of the type `test`, and return its id."""
        message_id: str = self._transport.send("POST", f"{_path(webhook)}/test").json()["messageId"]
        return message_id

    def delete(self, webhook: str) -> None:
        """Delete a webhook with its pending deliveries."""
        self._transport.send("DELETE", _path(webhook), retry=False)


def _path(webhook: str) -> str:
    return f"{WEBHOOKS}/{quote(webhook, safe='')}"


@dataclass(frozen=True)
class WebhookMessage:
    """A message whose signature is right."""

    id: str
    """The same each time a message is sent again: store the ids that you have processed."""
    type: str
    """`change_set`, `segment.alert`, `night.missed` or `test`; ignore other types."""
    timestamp: datetime
    data: dict[str, Any]


def verify_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, max_age_s: float = MAX_AGE_S
) -> WebhookMessage:
    """Return the message of a request to a webhook, if `secret` signed it in the last `max_age_s` seconds.

    `body` is the body as it was received. Raises InvalidSignature for everything else, whatever the headers contain,
    and ValueError for a secret that is none.
    """
    key = _key(secret)
    named = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = named["webhook-id"], named["webhook-timestamp"]
        signatures = named["webhook-signature"].encode(errors="replace").split()
        age = abs(time.time() - int(timestamp))
    except (KeyError, ValueError, OverflowError):
        raise InvalidSignature("the headers of a signed message are missing or invalid") from None
    if age > max_age_s:
        raise InvalidSignature("the message is too old, or the clocks differ")
    content = f"{message_id}.{timestamp}.".encode(errors="replace") + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256))
    if not any(hmac.compare_digest(expected, signature) for signature in signatures):
        raise InvalidSignature("no signature is of this secret")
    message = json.loads(body)
    return WebhookMessage(message_id, message["type"], datetime.fromisoformat(message["timestamp"]), message["data"])


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("the secret of a webhook is whsec_ and Base64") from None
