"""Secrets of webhooks, and signatures as Standard Webhooks defines them (standardwebhooks.com).

A secret is derived from SECRET_KEY and a salt, and is not stored: the database alone, or a backup, signs nothing. The
stored digest shows when another SECRET_KEY derives another secret.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence

from app.access.secret_digests import sha256_hex
from app.webhooks.models import Webhook

PREFIX = "whsec_"


class SecretKeyChanged(Exception):
    """The webhook got its secret under a SECRET_KEY that is neither the current one nor a fallback."""


def new_secret(secret_key: str) -> tuple[str, str, str]:
    """Return (salt, digest, secret) of a new secret: the first two are stored, the secret is shown once."""
    salt = secrets.token_urlsafe(24)
    secret = _secret(secret_key, salt)
    return salt, sha256_hex(secret), secret


def _secret(secret_key: str, salt: str) -> str:
    derived = hmac.digest(secret_key.encode(), f"webhook {salt}".encode(), hashlib.sha256)
    return PREFIX + base64.b64encode(derived).decode()


def signing_secrets(webhook: Webhook, secret_keys: Sequence[str]) -> list[str]:
    """Return the current secret, by whichever of the keys derived it, and during a rotation the previous one.

    The previous one may be of each of the keys: one signature of the receiver's secret is enough. Raises
    SecretKeyChanged.
    """
    derived = [_secret(key, webhook.salt) for key in secret_keys]
    current = [secret for secret in derived if sha256_hex(secret) == webhook.secret_digest]
    if not current:
        raise SecretKeyChanged
    previous = webhook.previous_salt if webhook.in_rotation else None
    return [*current, *(_secret(key, previous) for key in secret_keys if previous)]


def signature_headers(body: bytes, message_id: str, timestamp: int, secrets_: Iterable[str]) -> dict[str, str]:
    """Return the headers that sign the body; `timestamp` is in Unix seconds."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(content, secret) for secret in secrets_),
    }


def _signature(content: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
