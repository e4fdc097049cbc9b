"""Secrets handed out: long and random, so that a plain hash of them is all that is kept."""

import hashlib
import secrets


def new_secret(prefix: str = "") -> str:
    return prefix + secrets.token_urlsafe(32)


def sha256_hex(secret: str) -> str:
    """What is kept. A password's slow hash would be wrong: a random secret needs none, and every request pays."""
    return hashlib.sha256(secret.encode()).hexdigest()
