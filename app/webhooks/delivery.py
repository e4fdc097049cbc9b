"""The background task of webhooks: one delivery after another, for each webhook in the order of the change feed."""

import time
from collections.abc import Collection, Sequence
from typing import Any

import orjson
import structlog

from app.webhooks.change_set_filter import selects_change_set
from app.webhooks.http_client import DeliveryError, ReceiverResponse, post
from app.webhooks.messages import CHANGE_SET, TEST, build_message
from app.webhooks.queue import AttemptResult, DeliveryClaim, claim_next, complete, skip
from app.webhooks.signing import SecretKeyChanged, signature_headers, signing_secrets
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
    if claim.change_set and not selects_change_set(claim.webhook, claim.change_set.id):
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
    body = orjson.dumps(_message(claim))
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


def _message(claim: DeliveryClaim) -> dict[str, Any]:
    if claim.change_set:
        return build_message(CHANGE_SET, claim.change_set.at, changeSet=claim.change_set)
    return claim.delivery.message or build_message(TEST, claim.delivery.created_at)
