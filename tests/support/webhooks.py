"""Webhooks in tests: adding them, running the deliveries that are due, and verifying what was received."""

import re
import threading
import time
from collections.abc import Sequence
from typing import Any

from flask import current_app
from sqlalchemy import update

from app.background import deliver_webhooks
from app.core.database import db, now
from app.webhooks.models import WebhookDelivery, create_webhook, list_deliveries
from app.webhooks.signing import new_secret
from bench.servers.gunicorn import ROOT
from tests.support.clients import Api
from tests.support.customers import set_segments
from tests.support.webhook_receiver import Received, Receiver

NEVER_STOPS = threading.Event()
API_URL = "/api/v3/webhooks"


def add_webhook(url: str, types: Sequence[str] = (), events: Sequence[str] = ()) -> str:
    """Create a webhook and return its secret."""
    salt, digest, secret = new_secret(current_app.config["SECRET_KEY"])
    create_webhook(url, salt, digest, types, events)
    return secret


def create(admin: Api, receiver: Receiver, types: list[str] | None = None, **options: Any) -> Any:
    """Create a webhook by API and return the answer."""
    body = {"url": receiver.url, **({"types": types} if types is not None else {}), **options}
    return admin.call("POST", API_URL, json=body, status=201).json


def deliver(limit: int = 100) -> int:
    """Send until no delivery is due; return how many were sent."""
    for count in range(limit):
        db.session.remove()
        if not deliver_webhooks(NEVER_STOPS):
            db.session.remove()
            return count
    raise AssertionError(f"more than {limit}")


def end_retry_delay() -> None:
    """Make every pending delivery due, as if its retry delay had passed."""
    db.session.remove()
    with db.engine.begin() as connection:
        connection.execute(update(WebhookDelivery).values(next_attempt_at=now()))


def documented(name: str) -> Any:
    """Return a function that docs/webhooks.md gives to receivers."""
    names: dict[str, Any] = {}
    for sample in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL):
        exec(sample, names)
    return names[name]


def is_authentic(secret: str, received: Received) -> bool:
    headers = {name.lower(): value for name, value in received.headers.items()}
    return bool(documented("is_authentic")(secret, headers, received.body))


def change(document_id: str, times: int = 1) -> None:
    """Give a customer segments that no one has."""
    for n in range(times):
        set_segments(document_id, [{"type": "n", "value": f"{n} {time.perf_counter_ns()}"}])


def states() -> list[tuple[str, int, str | None]]:
    db.session.rollback()
    return [
        (delivery.state, delivery.attempts, delivery.last_response) for delivery in reversed(list_deliveries(1, 100))
    ]
