"""Timing several pieces of work in one run, interleaved, so that a slow minute slows all of them."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Work = Callable[[], object]


@dataclass
class Times:
    """Measured seconds by name, one value per round."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def clock(self, name: str, work: Work) -> None:
        started = time.perf_counter()
        work()
        self.seconds[name].append(time.perf_counter() - started)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, numerator: str, denominator: str) -> float:
        """Return the ratio of two medians."""
        return self.median(numerator) / self.median(denominator)

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
