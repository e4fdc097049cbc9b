"""The duty of the background: one delivery after the other, each webhook's in the order of the change feed."""

import time
from collections.abc import Collection
from typing import Any

import orjson
import structlog

from app.core.models.change_sets import ChangeSet
from app.serialization.change_set_json import change_set_json
from app.webhooks.http_client import DeliveryError, post
from app.webhooks.queue import DeliveryClaim, claim_next, complete
from app.webhooks.signing import SecretKeyChanged, signature_headers, signing_secrets
from app.webhooks.url_policy import DisallowedUrl, HostAndPort, parse_url, resolve

log = structlog.get_logger()


def deliver_next(secret_key: str, allowed_hosts: Collection[HostAndPort]) -> bool:
    """Send what is due next, if there is anything, and say whether there was. Raises Unavailable."""
    turn = claim_next()
    if turn is None:
        return False
    started = time.perf_counter()
    if turn.change_set is None:
        complete(turn, False, "the change set is no longer on record", for_good=True)
        return True
    delivered, answer = _send(turn, turn.change_set, secret_key, allowed_hosts)
    complete(turn, delivered, answer)
    log.info(
        "webhook",
        webhook=turn.webhook.id,
        delivery=turn.delivery.id,
        change_set=turn.change_set.id,
        attempt=turn.delivery.attempts + 1,
        delivered=delivered,
        answer=answer,
        ms=round((time.perf_counter() - started) * 1000, 1),
    )
    return True


def _send(
    turn: DeliveryClaim, change_set: ChangeSet, secret_key: str, allowed_hosts: Collection[HostAndPort]
) -> tuple[bool, str]:
    """Whether it was accepted, and what came back."""
    body = orjson.dumps(build_message(turn.delivery.message_id, change_set))
    try:
        target = parse_url(turn.webhook.url, allowed_hosts)
        secrets = signing_secrets(turn.webhook, secret_key)
        headers = signature_headers(body, turn.delivery.message_id, int(time.time()), secrets)
        headers |= {"Content-Type": "application/json", "User-Agent": "Customer-Segments"}
        status = post(target, resolve(target), headers, body)
    except SecretKeyChanged:
        return False, "SECRET_KEY was changed: rotate the secret of this webhook"
    except (DisallowedUrl, DeliveryError) as reason:
        return False, str(reason)
    return 200 <= status < 300, f"answered {status}"


def build_message(message_id: str, change_set: ChangeSet) -> dict[str, Any]:
    return {"id": message_id, "type": "change_set", "changeSet": change_set_json(change_set)}
