"""Rules for the segments of a type: which values it has, and whether a customer can have several of them.

Pages and imports obey them, and tokens that say so. Nothing in the database is changed by a rule.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, db, run_in_transaction
from app.core.models.segments import SegmentPair, Segments

Policy = Literal["free", "warn", "closed"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

NOT_LISTED = "Is not in the list of values of its type."
TWO_VALUES = "A customer can have only one value of this type."


class SegmentRule(Base):
    """What is said about a type, and what its segments must be."""

    __tablename__ = "segment_rules"

    type: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    description: Mapped[str]
    multiple: Mapped[bool]
    """Whether a customer can have several values."""
    policy: Mapped[Policy] = mapped_column(String)
    """Whether other values than those of the list are accepted, accepted after a warning, or refused."""
    allowed_values: Mapped[list[str]] = mapped_column(dialects.Json)


@dataclass(frozen=True)
class SegmentRules:
    """The rules of all types; a type without a rule is free."""

    by_type: dict[str, SegmentRule] = field(default_factory=dict)

    @cached_property
    def _lists(self) -> dict[Policy, dict[str, frozenset[str]]]:
        return {
            policy: {
                rule.type: frozenset(rule.allowed_values) for rule in self.by_type.values() if rule.policy == policy
            }
            for policy in POLICIES
        }

    @cached_property
    def single_types(self) -> frozenset[str]:
        """The types of which a customer can have one value only."""
        return frozenset(rule.type for rule in self.by_type.values() if not rule.multiple)

    def is_refused(self, pair: SegmentPair) -> bool:
        """Return whether the list of the type is closed and does not have the value."""
        return pair.type in self._lists["closed"] and pair.value not in self._lists["closed"][pair.type]

    def is_unlisted(self, pair: SegmentPair) -> bool:
        """Return whether the value is accepted after a warning."""
        return pair.type in self._lists["warn"] and pair.value not in self._lists["warn"][pair.type]

    def with_two_values(self, segments: Segments) -> set[str]:
        """Return the types of which a customer with these segments has more values than one."""
        if not self.single_types:
            return set()
        pairs = {SegmentPair.of(segment) for segment in segments if segment["type"] in self.single_types}
        types = [pair.type for pair in pairs]
        return {type_ for type_ in types if types.count(type_) > 1}

    def breaks(self, before: Segments, after: Segments) -> bool:
        """Return whether a customer would gain a second value of a type that takes one."""
        types = self.with_two_values(after)
        return bool(types) and any(segment["type"] in types and segment not in before for segment in after)


NO_RULES = SegmentRules()


def load_rules() -> SegmentRules:
    """Return the present rules."""
    rules = db.session.scalars(select(SegmentRule).order_by(SegmentRule.type))
    return SegmentRules({rule.type: rule for rule in rules})


def save_rule(rule: SegmentRule) -> None:
    """Store the rule of a type, in place of the one before. Raises Unavailable."""
    values = {name: getattr(rule, name) for name in ("type", "description", "multiple", "policy", "allowed_values")}

    def work(session: Session) -> None:
        session.merge(SegmentRule(**values))

    run_in_transaction(work)


def delete_rule(type_: str) -> None:
    """Make a type free again. Raises Unavailable."""

    def work(session: Session) -> None:
        rule = session.get(SegmentRule, type_)
        if rule:
            session.delete(rule)

    run_in_transaction(work)
