"""Times taken side by side: every piece of work in turn, round after round, so that a slow minute is slow for all."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Work = Callable[[], object]


@dataclass
class Times:
    """Seconds by name, one a round."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def clock(self, name: str, work: Work) -> None:
        started = time.perf_counter()
        work()
        self.seconds[name].append(time.perf_counter() - started)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, one: str, other: str) -> float:
        """Of the medians."""
        return self.median(one) / self.median(other)

    def spread(self, name: str) -> str:
        """Median, least and most, in milliseconds."""
        all_ = self.seconds[name]
        return " ".join(f"{value * 1000:.4g}" for value in (statistics.median(all_), min(all_), max(all_)))


def alternating(
    prepared: Mapping[str, Callable[[], Work]], rounds: int, *, warm: int = 2, every: Mapping[str, int] | None = None
) -> Times:
    """Each in turn, `rounds` times after `warm` ones that do not count.

    What each gives back is what is clocked. One with `every` 4 has its turn in each fourth round only: it is slow.
    """
    times, cold = Times(), Times()
    for turn in range(-warm, rounds):
        for name, prepare in prepared.items():
            if turn % (every or {}).get(name, 1) == 0:
                (times if turn >= 0 else cold).clock(name, prepare())
    return times
