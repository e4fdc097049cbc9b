"""Timing several pieces of work in one run, interleaved, so that a slow minute slows all of them."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

Work = Callable[[], object]


class Ratio(float):
    """A ratio with its spread: the range in which a repetition is expected."""

    def __new__(cls, value: float, *, lowest: float, highest: float) -> Self:
        ratio = super().__new__(cls, value)
        ratio.lowest, ratio.highest = lowest, highest
        return ratio

    lowest: float
    highest: float


@dataclass
class Times:
    """Measured seconds by name, one value per round."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def clock(self, name: str, work: Work) -> None:
        started = time.perf_counter()
        work()
        self.seconds[name].append(time.perf_counter() - started)

    def scale(self, name: str, factor: float) -> None:
        """Multiply the times of work that did only a part of what it is compared with."""
        self.seconds[name] = [seconds * factor for seconds in self.seconds[name]]

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, numerator: str, denominator: str) -> Ratio:
        """Return the ratio of two medians, with the smallest and largest ratio that the quartiles allow."""
        above, below = self._quartiles(numerator), self._quartiles(denominator)
        return Ratio(above[1] / below[1], lowest=above[0] / below[2], highest=above[2] / below[0])

    def _quartiles(self, name: str) -> list[float]:
        values = self.seconds[name]
        return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3

    def spread(self, name: str) -> str:
        """Return the median, minimum and maximum in milliseconds, separated by spaces."""
        values = self.seconds[name]
        return " ".join(f"{value * 1000:.4g}" for value in (statistics.median(values), min(values), max(values)))


def interleave(
    prepared: Mapping[str, Callable[[], Work]], rounds: int, *, warmup: int = 2, every: Mapping[str, int] | None = None
) -> Times:
    """Run each piece of work in turn for `rounds` rounds, after `warmup` rounds that do not count.

    `prepared[name]()` returns the work to time; preparing it is not timed. Work with `every[name] == 4` runs only in
    each fourth round, because it is slow.
    """
    times, discarded = Times(), Times()
    for turn in range(-warmup, rounds):
        for name, prepare in prepared.items():
            if turn % (every or {}).get(name, 1) == 0:
                (times if turn >= 0 else discarded).clock(name, prepare())
    return times
