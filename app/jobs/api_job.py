"""What a job of an API client is requested to do."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, get_args

from app.core.changes.guard import Guard
from app.core.changes.segment_updates import AsOf, MomentExcept, SegmentPatch
from app.core.history.segment_diff import merge_types
from app.core.models.change_sets import FeedPosition
from app.core.models.segments import SegmentPair, Segments, add_segments, remove_segments
from app.jobs.picked_up_file import PickedUpFile, earlier_change_sets

JobAction = Literal["replace", "merge", "remove", "upsert"]
ACTIONS: tuple[JobAction, ...] = get_args(JobAction)
"""The actions that a file may request."""


@dataclass(frozen=True)
class ApiJob:
    """What an API client requests; the file's rows are the customers."""

    action: JobAction | Literal["patch"]
    """Replace the segments of existing customers, add to them, remove from them; or create and update profiles.

    `patch` both adds and removes, as a held request does.
    """
    dry_run: bool = False
    types: tuple[str, ...] = ()
    """The segment types that the job may change; empty for all."""
    moment: str | None = None
    position: tuple[int, ...] | None = None
    """The `as_of` of the request: a moment, or a place in the feed."""
    guard: dict[str, Any] | None = None
    """`Guard`, as `to_dict` writes it."""
    reason: str | None = None
    size: int = 0
    """Bytes of the file."""
    picked_up: PickedUpFile | None = None
    """How the file was picked up from a folder; None for one that an API client sent."""
    scheduled: bool = False
    """Whether it is applied later, to customers for whom what was found when it was sent still holds."""
    strict: bool = False
    """Whether rows that break the rules of segment types are rejected."""

    @staticmethod
    def of(  # noqa: PLR0913 - the extras of the contract, all by name
        action: JobAction | Literal["patch"],
        *,
        dry_run: bool = False,
        types: Collection[str] = (),
        as_of: AsOf = None,
        guard: Guard | None = None,
        reason: str | None = None,
        scheduled: bool = False,
        strict: bool = False,
    ) -> "ApiJob":
        return ApiJob(
            action,
            dry_run,
            tuple(sorted(types)),
            as_of.isoformat() if isinstance(as_of, datetime) else None,
            (as_of.position, as_of.number, as_of.tag) if isinstance(as_of, FeedPosition) else None,
            guard.to_dict() if guard else None,
            reason,
            scheduled=scheduled,
            strict=strict,
        )

    def to_dict(self) -> dict[str, Any]:
        optional = ("picked_up", "scheduled", "strict")  # workers of the previous version do not know them
        return {name: value for name, value in asdict(self).items() if value or name not in optional}

    @staticmethod
    def from_dict(payload: dict[str, Any]) -> "ApiJob":
        picked_up = payload.get("picked_up")
        values = {"types": tuple(payload["types"]), "picked_up": picked_up and PickedUpFile(**picked_up)}
        return ApiJob(**{**payload, **values})

    @cached_property
    def as_of(self) -> AsOf:
        if self.position:
            return FeedPosition(*self.position)
        moment = datetime.fromisoformat(self.moment) if self.moment else None
        earlier = earlier_change_sets(self.picked_up.folder, moment) if self.picked_up and moment else ()
        return MomentExcept(moment, earlier) if earlier and moment else moment

    def received(self, at: datetime) -> "ApiJob":
        """Return the job with an `as_of`: its own, or the moment at which it was received, if that is earlier."""
        if self.position or (self.moment and datetime.fromisoformat(self.moment) <= at):
            return self
        return replace(self, moment=at.isoformat())

    def new_segments(self, before: Segments, content: Any) -> Segments:
        """Return the segments of a customer after the job."""
        if self.action == "replace":
            return merge_types(before, content, self.types) if self.types else content
        patch = self.patch(content)
        return add_segments(remove_segments(before, patch.remove), patch.add)

    def patch(self, content: Any) -> SegmentPatch:
        """Return what is added to a customer and removed from them."""
        if self.action == "patch":
            return SegmentPatch(**content)
        is_merge = self.action == "merge"
        return SegmentPatch(add=content if is_merge else [], remove=[] if is_merge else content)

    def expectation(self, before: Segments, sent: Segments) -> Any:
        """Return what must hold when a scheduled job is applied: which pairs a customer has, or what is replaced."""
        if self.action == "replace":
            return [segment for segment in before if not self.types or segment["type"] in self.types]
        pairs = set(map(SegmentPair.of, before))
        return [SegmentPair.of(segment) in pairs for segment in sent]
