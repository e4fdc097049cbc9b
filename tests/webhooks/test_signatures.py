"""Signatures of messages: what the documented verifier accepts, rotation, and secrets that are not stored."""

import base64
import time
from datetime import timedelta

import pytest
from customer_segments import InvalidSignature, verify_webhook
from flask import Flask

from app.webhooks import models
from app.webhooks.models import (
    get_webhook,
    rotate_webhook,
)
from app.webhooks.signing import new_secret
from bench.servers.gunicorn import SECRET_KEY
from tests.support.webhook_receiver import Receiver
from tests.support.webhooks import (
    change,
    deliver,
    documented,
    end_retry_delay,
    is_authentic,
    states,
)


def test_documented_verifier_accepts_the_message(ana: str, receiver: Receiver, secret: str) -> None:
    change(ana)
    deliver()
    (received,) = receiver.received
    assert is_authentic(secret, received)
    assert not is_authentic(new_secret(SECRET_KEY)[2], received)
    headers = dict(received.headers)
    message = documented("receive")(secret, headers, received.body)
    assert (message.id, message.type) == (headers["webhook-id"], "change_set")
    assert message.data == received.json()["data"]
    assert documented("receive")(new_secret(SECRET_KEY)[2], headers, received.body) is None
    received.body += b" "
    assert not is_authentic(secret, received)
    assert documented("receive")(secret, headers, received.body) is None


def test_an_old_message_is_refused_even_with_its_signature(ana: str, receiver: Receiver, secret: str) -> None:
    change(ana)
    deliver()
    (received,) = receiver.received
    with pytest.raises(InvalidSignature, match="too old"):
        verify_webhook(secret, dict(received.headers), received.body, max_age_s=-1)
    with pytest.raises(ValueError, match="whsec_"):
        verify_webhook("whsec_x", dict(received.headers), received.body)


FORGED: list[dict[str, str]] = [
    {},
    {"webhook-id": "msg_1"},
    {"webhook-id": "msg_1", "webhook-timestamp": "soon", "webhook-signature": "v1,x"},
    {"webhook-id": "msg_1", "webhook-timestamp": "9" * 5_000, "webhook-signature": "v1,x"},
    {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,\u00e9 \u20ac"},
    {"webhook-id": "\ud800", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,x"},
]


@pytest.mark.parametrize("headers", FORGED)
def test_documented_verifier_rejects_forged_headers(headers: dict[str, str]) -> None:
    secret = "whsec_" + base64.b64encode(b"key").decode()
    assert documented("is_authentic")(secret, headers, b"{}") is False
    assert documented("receive")(secret, headers, b"{}") is None


def test_rotation_signs_with_both_secrets_for_a_while(
    ana: str, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    salt, digest, new = new_secret(SECRET_KEY)
    rotate_webhook(1, salt, digest, timedelta(hours=1))
    change(ana)
    deliver()
    assert is_authentic(secret, receiver.received[0])
    assert is_authentic(new, receiver.received[0])
    real = models.now
    monkeypatch.setattr(models, "now", lambda: real() + timedelta(hours=1, seconds=1))
    change(ana)
    deliver()
    assert not is_authentic(secret, receiver.received[1])
    assert is_authentic(new, receiver.received[1])


def test_nothing_is_signed_after_the_secret_key_changed(
    app: Flask, ana: str, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "SECRET_KEY", "another")
    change(ana)
    deliver()
    assert receiver.received == []
    assert "rotate the secret" in str(states()[0][2])
    salt, digest, new = new_secret("another")
    rotate_webhook(1, salt, digest, timedelta(0))
    end_retry_delay()
    deliver()
    assert is_authentic(new, receiver.received[0])


def test_a_former_secret_key_signs_until_the_secret_is_rotated(
    app: Flask, ana: str, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "SECRET_KEY", "another")
    monkeypatch.setitem(app.config, "SECRET_KEY_FALLBACKS", [SECRET_KEY])
    change(ana)
    deliver()
    assert is_authentic(secret, receiver.received[0])
    salt, digest, new = new_secret("another")
    rotate_webhook(1, salt, digest, timedelta(hours=1))
    change(ana)
    deliver()
    assert is_authentic(secret, receiver.received[1]), "for the overlap"
    assert is_authentic(new, receiver.received[1])


def test_secret_is_not_stored(receiver: Receiver, secret: str) -> None:
    assert secret not in str(vars(get_webhook(1)))
    assert secret.removeprefix("whsec_") not in str(vars(get_webhook(1)))
