"""Secrets of webhooks, and signatures as Standard Webhooks defines them (standardwebhooks.com).

A secret is made of SECRET_KEY and a salt, so that it need not be stored: whoever gets hold of the database alone, or of
a backup, can sign nothing. With another SECRET_KEY the secrets are others too, which the digest tells.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

from app.access.secret_digests import sha256_hex
from app.webhooks.models import Webhook

PREFIX = "whsec_"


class SecretKeyChanged(Exception):
    """SECRET_KEY is another one than when the webhook got its secret."""


def new_secret(secret_key: str) -> tuple[str, str, str]:
    """A new secret: its salt and its digest, which are kept, and itself, which is shown once."""
    salt = secrets.token_urlsafe(24)
    secret = _secret(secret_key, salt)
    return salt, sha256_hex(secret), secret


def _secret(secret_key: str, salt: str) -> str:
    made = hmac.digest(secret_key.encode(), f"webhook {salt}".encode(), hashlib.sha256)
    return PREFIX + base64.b64encode(made).decode()


def signing_secrets(webhook: Webhook, secret_key: str) -> list[str]:
    """Those it is to be signed with: the present one, and for a while the one before. Raises SecretLost."""
    present = _secret(secret_key, webhook.salt)
    if sha256_hex(present) != webhook.secret_digest:
        raise SecretKeyChanged
    previous = webhook.previous_salt if webhook.in_rotation else None
    return [present, *([_secret(secret_key, previous)] if previous else [])]


def signature_headers(body: bytes, message_id: str, timestamp: int, secrets_: Iterable[str]) -> dict[str, str]:
    """The headers that sign this body, sent at that moment in Unix seconds."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(content, secret) for secret in secrets_),
    }


def _signature(content: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
