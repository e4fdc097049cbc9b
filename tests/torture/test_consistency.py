"""The check of a torture run finds each kind of violation, and accepts what is right."""

from collections.abc import Callable

import pytest

from tests.torture.consistency import Chain, ClientOperation, Entry, find_violations

ONE, TWO = (("write", "one"),), (("write", "two"),)


def write(value: str, invoked: float, completed: float = float("inf"), outcome: str = "ok") -> ClientOperation:
    return ClientOperation("write", "x", invoked, value, None, completed, outcome)  # type: ignore[arg-type]


def read(state: tuple[tuple[str, str], ...], invoked: float, completed: float) -> ClientOperation:
    return ClientOperation("read", "x", invoked, "", state, completed, "ok")


def violations(entries: list[Entry], *operations: ClientOperation) -> list[str]:
    return list(find_violations({"x": Chain(entries)}, operations))


IN_ORDER = [Entry((), ONE), Entry(ONE, TWO)]


def test_concurrent_writes_and_reads_are_accepted() -> None:
    assert not violations(
        IN_ORDER, write("one", 0, 3), write("two", 1, 2), read(ONE, 0, 3), read(TWO, 2, 4), read((), 0, 1)
    )


def test_an_unanswered_write_may_or_may_not_take_effect() -> None:
    assert not violations([Entry((), ONE)], write("one", 0, outcome="unknown"))
    assert not violations([], write("one", 0, outcome="unknown"))


WRONG: dict[str, Callable[[], list[str]]] = {
    "an acknowledged write is lost": lambda: violations([], write("one", 0, 1)),
    "a write takes effect twice": lambda: violations(
        [Entry((), ONE), Entry(ONE, TWO), Entry(TWO, ONE)], write("one", 0, 9), write("two", 0, 9)
    ),
    "a refused write takes effect": lambda: violations([Entry((), ONE)], write("one", 0, 1, "refused")),
    "the feed has a gap": lambda: violations([Entry((), ONE), Entry((), TWO)], write("one", 0, 9), write("two", 0, 9)),
    "the order contradicts real time": lambda: violations(IN_ORDER, write("one", 5, 6), write("two", 0, 1)),
    "a read is stale": lambda: violations(IN_ORDER, write("one", 0, 1), write("two", 2, 3), read(ONE, 4, 5)),
    "a read sees the future": lambda: violations([Entry((), ONE)], write("one", 5, 6), read(ONE, 0, 1)),
    "a read sees what was never written": lambda: violations([], read(ONE, 0, 1)),
}


@pytest.mark.parametrize("observe", WRONG.values(), ids=WRONG)
def test_a_violation_is_found(observe: Callable[[], list[str]]) -> None:
    assert observe()
