"""Encryption of stored values under keys that are derived from SECRET_KEY: the database alone reveals none of them."""

import base64
from collections.abc import Callable, Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class SecretKeyLost(Exception):
    """The value was encrypted under a SECRET_KEY that is neither the current one nor a fallback."""


class Cipher:
    """Encrypts under the first of the secret keys, and decrypts under any of them."""

    def __init__(self, secret_keys: Sequence[str], purpose: str) -> None:
        self._fernet = MultiFernet([Fernet(_derive_key(key, purpose)) for key in secret_keys])

    def encrypt(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Return the text. Raises SecretKeyLost."""
        try:
            return self._fernet.decrypt(encrypted).decode()
        except InvalidToken:
            raise SecretKeyLost from None


_secret_keys: Callable[[], Sequence[str]] = tuple


def use_secret_keys(provider: Callable[[], Sequence[str]]) -> None:
    """Set where `cipher` finds the secret keys of the application at hand, the current one first."""
    global _secret_keys  # noqa: PLW0603 - the core cannot import the application that is made of it
    _secret_keys = provider


def cipher(purpose: str) -> Cipher:
    """Return the cipher for a purpose, under the keys of the application at hand."""
    return _cipher(tuple(_secret_keys()), purpose)


@lru_cache(maxsize=16)
def _cipher(secret_keys: tuple[str, ...], purpose: str) -> Cipher:
    return Cipher(secret_keys, purpose)


def _derive_key(secret_key: str, purpose: str) -> bytes:
    derived = HKDF(SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret_key.encode())
    return base64.urlsafe_b64encode(derived)
