"""What the columns of an API token mean: whether it is valid, which secrets are its own, and its guard."""

import hmac
from typing import Any

from app.core.changes.guard import Guard
from app.core.database import now

GUARD_FIELDS = ("customers", "percent", "floor", "warn_customers", "warn_percent", "holds")
"""The fields of a guard that a token has columns for."""


class TokenRules:
    """What the columns of a token mean."""

    digest: Any
    types: Any
    expires_at: Any
    revoked_at: Any
    previous_digest: Any
    previous_until: Any

    @property
    def state(self) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= now() else "active"

    @property
    def in_rotation(self) -> bool:
        """Whether the secret before the last rotation is still valid."""
        return bool(self.previous_until and self.previous_until > now())

    @property
    def guard(self) -> Guard | None:
        """The token's limit on emptied customers (contract §2), or None."""
        values = {name: getattr(self, f"guard_{name}") for name in GUARD_FIELDS}
        guard = Guard(**values, types=frozenset(self.types))
        return None if guard.is_empty else guard

    def matches(self, digest: str) -> bool:
        """Return whether this is the digest of the current secret, or of the previous one during a rotation."""
        previous = self.previous_digest if self.in_rotation else None
        return hmac.compare_digest(self.digest, digest) or hmac.compare_digest(previous or "", digest)
