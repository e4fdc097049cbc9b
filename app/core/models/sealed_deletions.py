"""What an entry of the kind `deleted` says of the customer: encrypted, so that a copy of the database reveals nothing.

The id of a customer who was erased; for one whose creation was reverted, the profile and the segments as well, so that
the revert can be reverted while the entry is kept.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from app.core.encryption import SecretKeyLost, cipher
from app.core.models.customer_changes import Profile
from app.core.models.segments import Segments

PURPOSE = "deleted customers"


@dataclass(frozen=True)
class Deletion:
    """A deleted customer."""

    document_id: str
    profile: Profile | None = None
    segments: Segments | None = None

    def seal(self) -> dict[str, Any]:
        """Return what the entry stores as `before`."""
        return {"sealed": cipher(PURPOSE).encrypt(orjson.dumps(vars(self)).decode())}


def unseal(before: dict[str, Any]) -> Deletion | None:
    """Return the deletion that an entry stores; None if SECRET_KEY is another one since."""
    try:
        return Deletion(**orjson.loads(cipher(PURPOSE).decrypt(before["sealed"])))
    except SecretKeyLost:
        return None
