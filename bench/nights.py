"""Pages after many nightly change sets, beside the same pages after two: they must not grow with the history."""

import random
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psycopg

from app.core.counts.compaction import MAX_RECENT
from bench import dataset
from bench.bulk_replace import REQUEST_SIZE
from bench.mixed_load import create_bench_operator, sign_in
from bench.report import BenchmarkReport
from bench.servers.gunicorn import wait_for
from bench.service import Service, database, service
from bench.timing import Times, Work, interleave

FEW = 2
STORES = (3_500, 50_000)
EMAIL = "nights@example.com"
PAGES = {
    "overview": "/",
    "catalogue": "/segments",
    "change sets": "/changes",
    "one change set": "/changes/2",
    "filter of two": "/customers?segment=membership:GOLD&segment=store:STORE_00002",
}


def measure(  # noqa: PLR0913, PLR0917
    report: BenchmarkReport, server: str, stored: int, nights: tuple[int, ...], rounds: int, folder: Path
) -> None:
    report.section(
        f"Pages after many nights, {stored:,} customers",
        f"Over HTTP, after so many change sets of {REQUEST_SIZE:,} customers, beside the same after {FEW}; PostgreSQL.",
    )
    measured = {stores: _measure(server, stored, stores, nights, rounds, folder / str(stores)) for stores in STORES}
    report.table("ms", f"after {FEW}", *(f"after {night}" for night in nights))
    for stores, times in measured.items():
        for page in PAGES:
            figures = (times[nights[0]].median(_few(page)), *(times[night].median(page) for night in nights))
            report.row(f"{page}, {stores:,} stores", *(f"{seconds * 1000:.1f}" for seconds in figures))
    report.line()
    report.table("after many nights", "ratio of medians", "target")
    for stores, times in measured.items():
        for page in PAGES:
            for night in nights:
                ratio = times[night].ratio(page, _few(page))
                report.target(f"{page} after {night} nights ÷ after {FEW}, {stores:,} stores", ratio, maximum=1.5)


def _measure(  # noqa: PLR0913, PLR0917
    server: str, stored: int, stores: int, nights: tuple[int, ...], rounds: int, folder: Path
) -> dict[int, Times]:
    """Return the times of the pages of both shops after each of `nights` change sets."""
    sets, rng, times = dataset.sets_of_stores(stores), random.Random(9), {}

    def apply_night(ours: Service) -> None:
        ours.replacing(dataset.nightly(stored, REQUEST_SIZE, rng, sets))()

    with ExitStack() as stack:
        few, many = (_shop(stack, server, f"nights_{stores}_{name}", stored, sets, folder) for name in ("few", "many"))
        for _ in range(FEW):
            apply_night(few)
        work = {**{_few(page): work for page, work in _work(few).items()}, **_work(many)}
        for night in range(1, max(nights) + 1):
            apply_night(many)
            if night in nights:
                _settle(few)
                _settle(many)
                times[night] = interleave(work, rounds)
    return times


def _shop(  # noqa: PLR0913, PLR0917
    stack: ExitStack, server: str, name: str, stored: int, sets: list[dataset.Segments], folder: Path
) -> Service:
    """Serve a new shop in whose headers an operator is signed in."""
    url = database(server, name)
    ours = stack.enter_context(service(url, stored, folder / name, sets=sets))
    create_bench_operator(url, EMAIL)
    ours.headers["Cookie"] = sign_in(ours.server.address, EMAIL)
    return ours


def _settle(ours: Service) -> None:
    """Wait for what happens between two nights: the counts are compacted, and the tables vacuumed."""
    with psycopg.connect(ours.url, autocommit=True) as connection:

        def count_recent() -> int:
            return int(connection.execute("SELECT count(*) FROM segment_counts WHERE NOT compacted").fetchone()[0])

        wait_for(lambda: count_recent() < MAX_RECENT, seconds=120)
        connection.execute("VACUUM ANALYZE")


def _work(ours: Service) -> dict[str, Callable[[], Work]]:
    return {page: partial(ours.getting, path) for page, path in PAGES.items()}


def _few(page: str) -> str:
    return f"{page} after {FEW}"
