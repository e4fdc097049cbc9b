"""What the client takes and returns."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Segment(NamedTuple):
    """A segment of a customer, such as `Segment("membership", "GOLD")`."""

    type: str
    value: str


@dataclass(frozen=True)
class ReplaceResult:
    """The response to a replacement or patch."""

    updated: list[str]
    """Customers who exist and now have the segments of the request, changed or not."""
    change_set: str | None
    """The change set that the request made; None if nothing changed."""
    report: dict[str, Any] | None = None


@dataclass
class BatchTotals:
    """The sums over all requests of `replace_in_batches`."""

    sent: int = 0
    changed: int = 0
    unchanged: int = 0
    not_found: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    change_sets: list[str] = field(default_factory=list)

    def add(self, sent: int, report: dict[str, Any]) -> None:
        self.sent += sent
        self.changed += report["changed"]
        self.unchanged += report["unchanged"]
        self.not_found += report["notFound"]
        self.stale += report["stale"]
        self.change_sets += [report["changeSet"]] if report["changeSet"] else []


@dataclass(frozen=True)
class Page:
    """Some entries of the change feed, and the cursor from which to read on."""

    entries: list[dict[str, Any]]
    cursor: str


@dataclass(frozen=True)
class MembersResult:
    """How the members of a segment changed, in numbers of customers."""

    added: int
    removed: int
    unchanged: int
    not_found: list[str]
    change_set: str | None
    """The change set that the request made; None if nothing changed."""
