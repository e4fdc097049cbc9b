"""What a job that reverts a change set has to do."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from app.core.changes.guard import Guard


@dataclass(frozen=True)
class RevertJob:
    """A change set that is to be reverted."""

    change_set_id: int
    waits: bool = True
    """Whether an operator sees the preview before it is applied; API clients do not."""
    dry_run: bool = False
    guard: dict[str, Any] | None = None
    """`Guard`, as `to_dict` writes it."""
    types: tuple[str, ...] = ()
    """The segment types that may change; empty for all."""
    reason: str | None = None

    @staticmethod
    def of_client(
        change_set_id: int, *, dry_run: bool, guard: Guard | None, types: Collection[str], reason: str | None
    ) -> "RevertJob":
        return RevertJob(
            change_set_id, False, dry_run, guard.to_dict() if guard else None, tuple(sorted(types)), reason
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(payload: dict[str, Any]) -> "RevertJob":
        return RevertJob(**{**payload, "types": tuple(payload["types"])})
