"""What it costs as the shop grows: the same requests with few and with very many customers stored."""

import random
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psycopg

from bench import dataset
from bench.bulk_replace import POSTGRESQL, bare
from bench.report import Report
from bench.service import Service, database, service
from bench.timing import Work, alternating

FEW = 10_000
SCAN = "a sequential scan of customers"


class Reads:
    """The questions of platforms and operators, about another customer each time."""

    def __init__(self, ours: Service, stored: int) -> None:
        self.ours, self.stored, self.dice = ours, stored, random.Random(4)
        self.hundredth = PAGE
        for _ in range(99):
            page = orjson.loads(ours.getting(self.hundredth)())
            self.hundredth = f"{PAGE}&cursor={page['next']}"

    def works(self) -> dict[str, Callable[[], Work]]:
        def someone() -> int:
            return self.dice.randrange(self.stored)

        paths: dict[str, Callable[[], str]] = {
            "gateway by id": lambda: f"/api/customers/segments?document_id={dataset.document_id(someone())}",
            "gateway by e-mail": lambda: f"/api/customers/segments?email=c{someone()}@example.com",
            "first page": lambda: PAGE,
            "hundredth page, by cursor": lambda: self.hundredth,
            "search by id": lambda: f"{PAGE}&q={dataset.document_id(someone())}",
            "search by e-mail": lambda: f"{PAGE}&q=c{someone()}@example.com",
            "catalogue": lambda: "/api/v3/segments",
        }
        return {name: partial(self._asking, path) for name, path in paths.items()}

    def _asking(self, path: Callable[[], str]) -> Work:
        return self.ours.getting(path())


PAGE = "/api/v3/customers?limit=50"
FOUND = {
    "filter by a segment of 0.1 %": f"{PAGE}&segment=vip:YES",
    "filter by a segment of 1 %": f"{PAGE}&segment=store:STORE_007",
    "filter by a segment of 25 %": f"{PAGE}&segment=membership:GOLD",
    "filter by two together": f"{PAGE}&segment=membership:GOLD&segment=store:STORE_007",
    "search by a name one in twenty has": f"{PAGE}&q=gomez",
}


def reads(report: Report, server: str, many: int, rounds: int, folder: Path) -> None:
    report.section(f"Reads with {many:,} customers stored", f"Over HTTP, against the same with {FEW:,}; PostgreSQL.")
    with ExitStack() as stack:
        few_url, many_url = named(server, FEW), named(server, many)
        few = Reads(stack.enter_context(service(few_url, FEW, folder / "few")), FEW).works()
        ours = stack.enter_context(service(many_url, many, folder / "many"))
        scanning = stack.enter_context(closing(psycopg.connect(many_url, autocommit=True)))
        works = {
            **{f"{name}, few": work for name, work in few.items()},
            **Reads(ours, many).works(),
            **{name: partial(ours.getting, path) for name, path in FOUND.items()},
            SCAN: lambda: lambda: scanning.execute("SELECT count(*) FROM customers WHERE phone = ''").fetchone(),
        }
        times = alternating(works, rounds, every={SCAN: 10})
    report.table("", f"ms with {FEW:,}", f"ms with {many:,}")
    for name in few:
        report.row(name, *(f"{times.median(which) * 1000:.2f}" for which in (f"{name}, few", name)))
    for name in (*FOUND, SCAN):
        report.row(name, "", f"{times.median(name) * 1000:.2f}")
    report.say()
    report.table(f"reads at {many:,}", "ratio of medians", "aim")
    for name in few:
        report.aim(f"{name} ÷ at {FEW:,}", times.ratio(name, f"{name}, few"), at_most=1.5)
    for name in FOUND:
        report.aim(f"{name} ÷ {SCAN}", times.ratio(name, SCAN), at_most=1 / 40)


def writes(report: Report, server: str, sizes: list[int], rounds: int, folder: Path) -> None:
    report.section("Writes as the shop and the request grow", "One request over HTTP, beside the bare statement.")
    dice = random.Random(5)
    large = sizes[1]
    requests = [*((10_000, size) for size in sizes), (1_000, large), (50_000, large)]

    def night(sent: int, stored: int) -> Work:
        return at[stored].replacing(dataset.nightly(stored, sent, dice))

    with ExitStack() as stack:
        at = {size: stack.enter_context(service(named(server, size), size, folder / str(size))) for size in sizes}
        works = {_of(*request): partial(night, *request) for request in requests}
        for size in sizes:
            connection = stack.enter_context(closing(psycopg.connect(named(server, size))))
            works[f"{_of(10_000, size)}, bare"] = partial(_bare, connection, size, dice)
        times = alternating(works, rounds)
    each = {name: times.median(name) / int(name.split()[0].replace(",", "")) for name in works}
    report.table("a request of", "median ms", "least", "most", "µs a customer")
    for name, seconds in each.items():
        report.row(name, *times.spread(name).split(), f"{seconds * 1e6:.1f}")
    report.say()
    report.table("time per customer", "ratio of medians", "aim")
    first, last = _of(10_000, sizes[0]), _of(10_000, sizes[-1])
    grown = f"at {sizes[-1]:,} stored ÷ at {sizes[0]:,}"
    report.aim(grown, each[last] / each[first], at_most=1.5)
    report.row(f"{grown}, the bare statement", f"{each[f'{last}, bare'] / each[f'{first}, bare']:.3g}", "")
    report.aim("in a request of 50,000 ÷ of 1,000", each[_of(50_000, large)] / each[_of(1_000, large)], at_most=1.1)
    series = {
        "a request of 10,000": [each[_of(10_000, size)] for size in sizes],
        "the bare statement": [each[f"{_of(10_000, size)}, bare"] for size in sizes],
    }
    report.plot("benchmarks-writes", "Time per customer, relative to the smallest shop", sizes, series)


def _bare(connection: Any, stored: int, dice: random.Random) -> Work:
    return bare(connection, POSTGRESQL, dataset.nightly(stored, 10_000, dice))


def _of(sent: int, stored: int) -> str:
    return f"{sent:,} of {stored:,}"


def named(server: str, stored: int) -> str:
    """The database that holds so many customers; the sections share it."""
    if (server, stored) not in _made:
        _made[server, stored] = database(server, f"stored_{stored}")
    return _made[server, stored]


_made: dict[tuple[str, int], str] = {}
