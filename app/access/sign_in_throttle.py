"""Delays after failed sign-ins, which grow with each failure.

Failures are counted in buckets: by e-mail and address, by address alone, and by e-mail alone against guesses from many
addresses. A browser that has signed in before is a known device: it has a bucket of its own, so that the guesses of
others never delay an operator at their own device (OWASP, "device cookies").

An attempt is counted before its password is checked: parallel attempts count one by one. A success takes it back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, UtcDateTime, now, run_in_transaction
from app.core.errors import RateLimited

FIRST_DELAY = timedelta(seconds=30)
MAX_DELAY = timedelta(minutes=15)
RETENTION = timedelta(hours=24)
"""A bucket without an attempt for this time is deleted."""


class AccountLocked(RateLimited):
    code = "ACCOUNT_LOCKED"
    explanation = "Too many failed sign-ins with this e-mail or from this address."

    def __init__(self, delay: timedelta) -> None:
        self.retry_after_s = ceil(delay.total_seconds())
        minutes = ceil(self.retry_after_s / 60)
        wait = f"{minutes} minutes" if self.retry_after_s > 60 else f"{self.retry_after_s} seconds"
        super().__init__(f"Too many failed attempts. Try again in {wait}.")


class SignInFailure(Base):
    """Consecutive failed attempts in a bucket."""

    __tablename__ = "sign_in_failures"

    bucket: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(index=True)
    """None for the bucket of an address."""
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class SignInOrigin:
    """Where a sign-in comes from: the client's address, and the id of the device if it is known for this e-mail."""

    address: str
    device: str | None = None


@dataclass(frozen=True)
class Bucket:
    """A counter of failures: those without a delay, and the longest delay afterwards."""

    key: str
    email: str | None
    free_failures: int
    max_delay: timedelta = MAX_DELAY

    def delay(self, failures: int) -> timedelta:
        """Return the delay that follows this number of failures."""
        excess = failures - self.free_failures
        return timedelta() if excess < 0 else min(FIRST_DELAY * 2 ** min(excess, 10), self.max_delay)


def _buckets(email: str, origin: SignInOrigin) -> list[Bucket]:
    """Return the buckets of an attempt, in the order in which their rows are locked."""
    network = _network(origin.address)
    address = Bucket(f"address {network}", None, 50)
    if origin.device:
        return [Bucket(f"device {origin.device} {email}", email, 5), address]
    # The delay by e-mail alone stays short: others could cause it for an operator at a new device.
    by_email = Bucket(f"email {email}", email, 50, timedelta(minutes=1))
    return [Bucket(f"account {network} {email}", email, 5), address, by_email]


def _network(address: str) -> str:
    """Return the address, or the /64 network of an IPv6 address: one subscriber has all of it."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return str(ip_network(f"{ip}/64", strict=False)) if isinstance(ip, IPv6Address) and not ip.ipv4_mapped else str(ip)


def count_attempt(email: str, origin: SignInOrigin) -> None:
    """Count an attempt as failed until `forgive_attempt`. Raises AccountLocked, and counts nothing, during a delay."""
    buckets = _buckets(email, origin)

    def work(session: Session) -> None:
        at = now()
        rows = [(bucket, _lock(session, bucket, at)) for bucket in buckets]
        remaining = max(row.last_at + bucket.delay(row.failures) - at for bucket, row in rows)
        if remaining > timedelta():
            raise AccountLocked(remaining)
        for _, row in rows:
            row.failures, row.last_at = row.failures + 1, at

    run_in_transaction(work)


def _lock(session: Session, bucket: Bucket, at: datetime) -> SignInFailure:
    empty = {"bucket": bucket.key, "email": bucket.email, "failures": 0, "last_at": at - MAX_DELAY}
    dialects.insert_if_absent(session, SignInFailure.__table__, empty)
    query = select(SignInFailure).where(SignInFailure.bucket == bucket.key).with_for_update()
    row = session.scalars(query).one()
    if row.last_at <= at - RETENTION:
        row.failures = 0
    return row


def forgive_attempt(session: Session, email: str, origin: SignInOrigin) -> None:
    """Take back a counted attempt that succeeded, and the failures of the same account or device before it."""
    own, *shared = _buckets(email, origin)
    session.execute(delete(SignInFailure).where(SignInFailure.bucket == own.key))
    decrement = update(SignInFailure).where(SignInFailure.failures > 0).values(failures=SignInFailure.failures - 1)
    for bucket in shared:
        session.execute(decrement.where(SignInFailure.bucket == bucket.key))
    session.execute(delete(SignInFailure).where(SignInFailure.last_at <= now() - RETENTION))


def clear_failures(session: Session, email: str) -> None:
    """Delete the failures of an e-mail, so that its operator can sign in at once."""
    session.execute(delete(SignInFailure).where(SignInFailure.email == email))
