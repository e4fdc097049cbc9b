"""Passwords: checked against common ones, hashed with argon2id, and verified in constant time."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from app.core.errors import BadRequest, RateLimited
from app.core.limits import MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH

# OWASP's second choice for argon2id (19 MiB, 2 passes, 1 lane): 68 ms beside a busy test run, where the library's
# default (64 MiB, 3 passes, 4 lanes) takes 690 ms and occupies four cores.
_hasher = PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1)

# One hash at a time in each process, and one that waits for it: other requests always find a free thread.
_hashing = BoundedSemaphore(1)
_admitted = BoundedSemaphore(2)


class InvalidPassword(BadRequest):
    code = "INVALID_PASSWORD"
    explanation = "The password is too short, too long or too easy to guess."


class TooManyPasswordChecks(RateLimited):
    code = "TOO_MANY_PASSWORD_CHECKS"
    explanation = "Other passwords are being checked; the same request may succeed in a moment."
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__("Too many people are signing in right now. Try again in a moment.")


@contextmanager
def _hash_slot() -> Iterator[None]:
    """Limit concurrent hashes. Raises TooManyPasswordChecks."""
    if not _admitted.acquire(blocking=False):
        raise TooManyPasswordChecks
    try:
        with _hashing:
            yield
    finally:
        _admitted.release()


def hash_password(password: str, email: str = "") -> str:
    """Return the argon2 hash of a new password. Raises InvalidPassword and TooManyPasswordChecks."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise InvalidPassword(
            f"A password has at least {MIN_PASSWORD_LENGTH} characters, and at most {MAX_PASSWORD_LENGTH}."
        )
    if _is_common(password.casefold(), email):
        raise InvalidPassword("This password is too easy to guess. Choose another one.")
    with _hash_slot():
        return _hasher.hash(password)


def _is_common(password: str, email: str) -> bool:
    """Return whether the password is a common one, repeats a few characters, or is the e-mail or the product's name."""
    bare = password.strip("0123456789!?.-_ ")
    own_words = {email, email.partition("@")[0], "customer segments", "customersegments", "customer-segments"}
    candidates = {password, bare, _unit(password)}
    return len(set(password)) < 4 or not own_words.isdisjoint(candidates) or not candidates.isdisjoint(_common())


def _unit(text: str) -> str:
    """Return the shortest text of which this one is a repetition: `password` of `passwordpassword`."""
    return text[: (text + text).find(text, 1)]


@cache
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - 12 MB, needed when a password is set only

    return frozenset(FREQUENCY_LISTS["passwords"])


def verify_password(password: str, password_hash: str | None) -> bool:
    """Return whether the password has this hash. Raises TooManyPasswordChecks.

    Without a hash it takes as long: the duration must not reveal whether an e-mail belongs to an operator.
    """
    with _hash_slot():
        try:
            matches = _hasher.verify(password_hash or _dummy_hash(), password[: MAX_PASSWORD_LENGTH + 1])
        except VerificationError:
            return False
    return matches and password_hash is not None


@cache
def _dummy_hash() -> str:
    return _hasher.hash("no operator has this password")
