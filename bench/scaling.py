"""The cost of the same requests with few and with very many customers stored."""

import random
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psycopg

from bench import dataset
from bench.bulk_replace import POSTGRESQL, bare_statement
from bench.report import BenchmarkReport
from bench.service import Service, database, service
from bench.timing import Work, interleave

FEW, LARGEST = 10_000, 10_000_000
SCAN = "a sequential scan of customers"


class Reads:
    """The reads of platforms and operators, for another customer each time."""

    def __init__(self, ours: Service, stored: int) -> None:
        self.ours, self.stored, self.rng = ours, stored, random.Random(4)
        self.hundredth = LIST_URL
        for _ in range(99):
            page = orjson.loads(ours.getting(self.hundredth)())
            self.hundredth = f"{LIST_URL}&cursor={page['next']}"

    def work(self) -> dict[str, Callable[[], Work]]:
        def random_customer() -> int:
            return self.rng.randrange(self.stored)

        paths: dict[str, Callable[[], str]] = {
            "gateway by id": lambda: f"/api/customers/segments?document_id={dataset.document_id(random_customer())}",
            "gateway by e-mail": lambda: f"/api/customers/segments?email=c{random_customer()}@example.com",
            "first page": lambda: LIST_URL,
            "hundredth page, by cursor": lambda: self.hundredth,
            "search by id": lambda: f"{LIST_URL}&q={dataset.document_id(random_customer())}",
            "search by e-mail": lambda: f"{LIST_URL}&q=c{random_customer()}@example.com",
            "catalogue": lambda: "/api/v3/segments",
        }
        return {name: partial(self._get, path) for name, path in paths.items()}

    def _get(self, path: Callable[[], str]) -> Work:
        return self.ours.getting(path())


LIST_URL = "/api/v3/customers?limit=50"
FILTERED = {
    "filter by a segment of 0.1 %": f"{LIST_URL}&segment=vip:YES",
    "filter by a segment of 1 %": f"{LIST_URL}&segment=store:STORE_007",
    "filter by a segment of 25 %": f"{LIST_URL}&segment=membership:GOLD",
    "filter by two segments": f"{LIST_URL}&segment=membership:GOLD&segment=store:STORE_007",
    "search by a name of 5 %": f"{LIST_URL}&q=gomez",
}


def reads(report: BenchmarkReport, server: str, many: int, rounds: int, folder: Path) -> None:
    report.section(f"Reads with {many:,} customers stored", f"Over HTTP, against the same with {FEW:,}; PostgreSQL.")
    with ExitStack() as stack:
        few_url, many_url = shared_database(server, FEW), shared_database(server, many)
        few = Reads(stack.enter_context(service(few_url, FEW, folder / "few")), FEW).work()
        ours = stack.enter_context(service(many_url, many, folder / "many"))
        scanning = stack.enter_context(closing(psycopg.connect(many_url, autocommit=True)))
        work = {
            **{f"{name}, few": work for name, work in few.items()},
            **Reads(ours, many).work(),
            **{name: partial(ours.getting, path) for name, path in FILTERED.items()},
            SCAN: lambda: lambda: scanning.execute("SELECT count(*) FROM customers WHERE phone = ''").fetchone(),
        }
        times = interleave(work, rounds, every={SCAN: 10})
    report.table("", f"ms with {FEW:,}", f"ms with {many:,}")
    for name in few:
        report.row(name, *(f"{times.median(which) * 1000:.2f}" for which in (f"{name}, few", name)))
    for name in (*FILTERED, SCAN):
        report.row(name, "", f"{times.median(name) * 1000:.2f}")
    report.line()
    report.table(f"reads at {many:,}", "ratio of medians", "target")
    for name in few:
        report.target(f"{name} ÷ at {FEW:,}", times.ratio(name, f"{name}, few"), maximum=1.5)
    for name in FILTERED:
        if many >= LARGEST:
            report.target(f"{name} ÷ {SCAN}", times.ratio(name, SCAN), maximum=1 / 40)
        else:
            report.row(f"{name} ÷ {SCAN}", f"{times.ratio(name, SCAN):.3g}", f"≤ {1 / 40} at {LARGEST:,}")


def writes(report: BenchmarkReport, server: str, sizes: list[int], rounds: int, folder: Path) -> None:
    report.section("Writes as the shop and the request grow", "One request over HTTP, beside the bare statement.")
    rng = random.Random(5)
    large = sizes[1]
    requests = [*((10_000, size) for size in sizes), (1_000, large), (50_000, large)]

    def request(customers: int, stored: int) -> Work:
        return services[stored].replacing(dataset.nightly(stored, customers, rng))

    with ExitStack() as stack:
        services = {
            size: stack.enter_context(service(shared_database(server, size), size, folder / str(size)))
            for size in sizes
        }
        work = {_of(*sizes_): partial(request, *sizes_) for sizes_ in requests}
        for size in sizes:
            connection = stack.enter_context(closing(psycopg.connect(shared_database(server, size))))
            work[f"{_of(10_000, size)}, bare"] = partial(_bare, connection, size, rng)
        times = interleave(work, rounds)
    each = {name: times.median(name) / int(name.split()[0].replace(",", "")) for name in work}
    report.table("a request of", "median ms", "minimum", "maximum", "µs per customer")
    for name, seconds in each.items():
        report.row(name, *times.spread(name).split(), f"{seconds * 1e6:.1f}")
    report.line()
    report.table("time per customer", "ratio of medians", "target")
    first, last = _of(10_000, sizes[0]), _of(10_000, sizes[-1])
    grown = f"at {sizes[-1]:,} stored ÷ at {sizes[0]:,}"
    report.target(grown, each[last] / each[first], maximum=1.5)
    report.row(f"{grown}, the bare statement", f"{each[f'{last}, bare'] / each[f'{first}, bare']:.3g}", "")
    report.target("in a request of 50,000 ÷ of 1,000", each[_of(50_000, large)] / each[_of(1_000, large)], maximum=1.1)
    series = {
        "a request of 10,000": [each[_of(10_000, size)] for size in sizes],
        "the bare statement": [each[f"{_of(10_000, size)}, bare"] for size in sizes],
    }
    report.plot("benchmarks-writes", "Time per customer, relative to the smallest shop", sizes, series)


def _bare(connection: Any, stored: int, rng: random.Random) -> Work:
    return bare_statement(connection, POSTGRESQL, dataset.nightly(stored, 10_000, rng))


def _of(customers: int, stored: int) -> str:
    return f"{customers:,} of {stored:,}"


def shared_database(server: str, stored: int) -> str:
    """Return the URL of the database with `stored` customers; all sections share it."""
    if (server, stored) not in _databases:
        _databases[server, stored] = database(server, f"stored_{stored}")
    return _databases[server, stored]


_databases: dict[tuple[str, int], str] = {}
