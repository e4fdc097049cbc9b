"""Passwords: hashed with argon2, and checked in constant time."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from app.core.errors import BadRequest

MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_LENGTH = 500

_hasher = PasswordHasher()


class InvalidPassword(BadRequest):
    code = "INVALID_PASSWORD"
    explanation = "The password is too short or too long."


def hash_password(password: str) -> str:
    """Return the argon2 hash of a new password. Raises InvalidPassword."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise InvalidPassword(
            f"A password has at least {MIN_PASSWORD_LENGTH} characters, and at most {MAX_PASSWORD_LENGTH}."
        )
    return _hasher.hash(password)


def verify_password(password: str, password_hash: str | None) -> bool:
    """Return whether the password has this hash.

    Without a hash it takes as long: the duration must not reveal whether an e-mail belongs to an operator.
    """
    try:
        matches = _hasher.verify(password_hash or _dummy_hash(), password[: MAX_PASSWORD_LENGTH + 1])
    except VerificationError:
        return False
    return matches and password_hash is not None


@cache
def _dummy_hash() -> str:
    return _hasher.hash("no operator has this password")
