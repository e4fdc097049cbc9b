"""By what deleted customers are recognised in what the rest of the service keeps, and who removes it there."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

MIN_VALUE_LENGTH = 3
"""Characters of a name, e-mail or phone that identifies a customer: shorter ones stand in anybody's rows."""


@dataclass(frozen=True)
class Traces:
    """The document_ids that customers have or had, and the values of their profiles, also former ones."""

    ids: frozenset[str]
    values: frozenset[str]

    @staticmethod
    def of(ids: Iterable[str], profiles: Iterable[Any]) -> "Traces":
        texts = (text for profile in profiles if isinstance(profile, dict) for text in profile.values())
        values = (normalize(text) for text in texts if isinstance(text, str))
        return Traces(frozenset(ids), frozenset(value for value in values if len(value) >= MIN_VALUE_LENGTH))

    def names(self, text: str) -> bool:
        """Return whether a text is an id of a customer, or a value of a profile."""
        return text.strip() in self.ids or normalize(text) in self.values


def normalize(text: str) -> str:
    return text.strip().casefold()


Erase = Callable[[Session, Traces], None]
"""Erases customers from what a package keeps, as part of the transaction that deletes them."""

_erasers: Sequence[Erase] = ()


def use_erasers(erasers: Sequence[Erase]) -> None:
    """Set what else is erased with customers."""
    global _erasers  # noqa: PLW0603 - the core cannot import the packages that keep something of customers
    _erasers = erasers


def erase_elsewhere(session: Session, traces: Traces) -> None:
    """Erase customers from everything outside the core."""
    for erase in _erasers:
        erase(session, traces)
