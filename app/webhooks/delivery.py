"""The background task of webhooks: one delivery after another, for each webhook in the order of the change feed."""

import time
from collections.abc import Collection, Sequence
from typing import Any

import orjson
import structlog

from app.core.models.change_sets import ChangeSet
from app.serialization.change_set_json import change_set_json, format_rfc3339
from app.webhooks.http_client import DeliveryError, ReceiverResponse, post
from app.webhooks.models import WebhookDelivery
from app.webhooks.queue import AttemptResult, DeliveryClaim, claim_next, complete, skip
from app.webhooks.signing import SecretKeyChanged, signature_headers, signing_secrets
from app.webhooks.type_filter import changes_types
from app.webhooks.url_policy import DisallowedUrl, HostAndPort, parse_url, resolve

log = structlog.get_logger()


def deliver_next(secret_keys: Sequence[str], allowed_hosts: Collection[HostAndPort]) -> bool:
    """Send the delivery that is due next; return whether there was one. Raises Unavailable."""
    claim = claim_next()
    if claim is None:
        return False
    started = time.perf_counter()
    if claim.change_set is None and claim.delivery.change_set_id is not None:
        complete(claim, AttemptResult(False, "the change set has been deleted", permanent=True))
        return True
    if claim.change_set and claim.webhook.types and not changes_types(claim.change_set.id, claim.webhook.types):
        skip(claim)
        return True
    result = _send(claim, secret_keys, allowed_hosts)
    complete(claim, result)
    log.info(
        "webhook",
        webhook=claim.webhook.id,
        delivery=claim.delivery.id,
        change_set=claim.delivery.change_set_id,
        attempt=claim.delivery.attempts + 1,
        delivered=result.delivered,
        response=result.response,
        ms=round((time.perf_counter() - started) * 1000, 1),
    )
    return True


def _send(claim: DeliveryClaim, secret_keys: Sequence[str], allowed_hosts: Collection[HostAndPort]) -> AttemptResult:
    message_id = claim.delivery.message_id
    message = build_message(claim.change_set) if claim.change_set else _event_message(claim.delivery)
    body = orjson.dumps(message)
    try:
        target = parse_url(claim.webhook.url, allowed_hosts)
        secrets = signing_secrets(claim.webhook, secret_keys)
        headers = signature_headers(body, message_id, int(time.time()), secrets)
        headers |= {"Content-Type": "application/json", "User-Agent": "Customer-Segments"}
        return _result(post(target, resolve(target), headers, body))
    except SecretKeyChanged:
        return AttemptResult(False, "SECRET_KEY was changed: rotate the secret of this webhook")
    except (DisallowedUrl, DeliveryError) as error:
        return AttemptResult(False, str(error))


def _result(response: ReceiverResponse) -> AttemptResult:
    """Judge a response as Standard Webhooks advises: 2xx accepts, and 410 wants no more messages."""
    return AttemptResult(
        200 <= response.status < 300,
        response.description,
        permanent=response.status == 410,
        endpoint_gone=response.status == 410,
        retry_after_s=response.retry_after_s,
    )


def build_message(change_set: ChangeSet) -> dict[str, Any]:
    """Return the body of a delivery, in the shape that Standard Webhooks recommends.

    It names no person: neither the actor nor the note of the change set, which may hold an e-mail, a document_id or
    the name of a file. The receiver reads those through the API with a token of its own.
    """
    described = change_set_json(change_set)
    data = {name: value for name, value in described.items() if name not in ("actor", "note")}
    return {"type": "change_set", "timestamp": format_rfc3339(change_set.at), "data": {"changeSet": data}}


def _event_message(delivery: WebhookDelivery) -> dict[str, Any]:
    return delivery.message or build_test_message(delivery)


def build_test_message(delivery: WebhookDelivery) -> dict[str, Any]:
    """Return the body of a test event."""
    return {"type": "test", "timestamp": format_rfc3339(delivery.created_at), "data": {}}
