"""Random secrets, of which only a plain hash is stored."""

import hashlib
import secrets


def new_secret(prefix: str = "") -> str:
    return prefix + secrets.token_urlsafe(32)


def sha256_hex(secret: str) -> str:
    """Return the digest to store. A random secret needs no slow hash, and each request computes it once."""
    return hashlib.sha256(secret.encode()).hexdigest()
