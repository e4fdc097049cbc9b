"""The guard of an API token: how many customers one request may leave without segments (contract §2, §8)."""

from dataclasses import dataclass
from typing import Any

from app.core.errors import Conflict

OVERRIDE = "To proceed, send the header Guard: override."
APPROVAL = "Such a change of this token needs the approval of an operator; Guard: override does not replace it."


@dataclass(frozen=True)
class Guard:
    """How many customers may lose all their segments at once: a number, or a percentage of those sent."""

    customers: int | None = None
    percent: int | None = None
    types: frozenset[str] = frozenset()
    """Segments of these types are meant; empty for all types."""
    floor: int | None = None
    """Up to so many customers always may."""
    warn_customers: int | None = None
    warn_percent: int | None = None
    """Above these a change is applied, and reported."""
    holds: bool = False
    """Whether a change that is too large waits for an operator; otherwise it is refused."""

    def to_dict(self) -> dict[str, Any]:
        """Return the guard as JSON."""
        return {**vars(self), "types": sorted(self.types)}

    @staticmethod
    def from_dict(guard: dict[str, Any]) -> "Guard":
        return Guard(**{**guard, "types": frozenset(guard["types"])})

    @property
    def is_empty(self) -> bool:
        """Return whether it limits nothing."""
        return all(limit is None for limit in (self.customers, self.percent, self.warn_customers, self.warn_percent))

    def allows(self, emptied: int, sent: int) -> bool:
        """Return whether that many of those sent may lose all their segments."""
        return self._is_few(emptied) or _is_within(self.customers, self.percent, emptied, sent)

    def warns(self, emptied: int, sent: int) -> bool:
        """Return whether so many lose all their segments that it is reported."""
        return not (self._is_few(emptied) or _is_within(self.warn_customers, self.warn_percent, emptied, sent))

    def check(self, emptied: int, sent: int, outcome: Any, lost: str = "all their segments") -> None:
        """Raise ChangeTooLarge if more customers lose their segments than it allows."""
        if not self.allows(emptied, sent):
            raise ChangeTooLarge(emptied, outcome, lost, hint=APPROVAL if self.holds else OVERRIDE)

    def _is_few(self, emptied: int) -> bool:
        return self.floor is not None and emptied <= self.floor


def _is_within(customers: int | None, percent: int | None, emptied: int, sent: int) -> bool:
    is_few = customers is None or emptied <= customers
    return is_few and (percent is None or emptied * 100 <= percent * sent)


def warning_text(customers: int, lost: str = "all their segments") -> str:
    """Return what a client reads whose change was applied, although many customers lose their segments by it."""
    return f"{_who(customers)} lost {lost}: more than the token's guard warns of."


def _who(customers: int) -> str:
    return "1 customer" if customers == 1 else f"{customers} customers"


class ChangeTooLarge(Conflict):
    """More customers would lose all their segments than the guard allows; `outcome` is what would have happened."""

    code = "CHANGE_TOO_LARGE"
    explanation = "More customers would lose all their segments than the guard of the token allows. With the report."
    example = (
        "90 customers would lose all their segments: more than the guard of the token allows. Nothing was changed. "
        "To proceed, send the header Guard: override."
    )

    def __init__(self, customers: int, outcome: Any, lost: str = "all their segments", *, hint: str = OVERRIDE) -> None:
        super().__init__(
            f"{_who(customers)} would lose {lost}: more than the guard of the token allows. Nothing was changed. {hint}"
        )
        self.outcome = outcome
