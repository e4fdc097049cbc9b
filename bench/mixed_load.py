"""Everything at once for a minute: what each kind of client feels beside a nightly job and an import.

A nightly job sends 10,000 customers a request, 95 % of them unchanged; eight clients read the gateway, two save single
customers, four operators use lists and search, and one file of customers is imported; two workers.
"""

import http.client
import multiprocessing
import random
import re
import statistics
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import CookieJar
from pathlib import Path

import orjson

from app import create_app
from app.access.operators import create_operator
from bench import dataset
from bench.bulk_replace import NightlyBatches
from bench.invalid_lines import write_file
from bench.report import BenchmarkReport
from bench.servers.gunicorn import ROOT, clean
from bench.service import SEGMENTS, Service, service

CLIENTS = {"gateway": 8, "single save": 2, "operator": 4, "nightly job": 1}
INTERACTIVE = [kind for kind in CLIENTS if kind != "nightly job"]
IMPORTED_ROWS = 200_000
EMAIL, PASSWORD = "bench@example.com", "bench bench bench"

Request = tuple[str, str, bytes]
"""Method, path, body."""


@dataclass
class Result:
    """Seconds per response, and the statuses of failed requests."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def percentiles(self) -> list[float]:
        """Return p50, p95, p99 and the maximum in milliseconds."""
        cuts = (
            statistics.quantiles(self.seconds, n=100, method="inclusive")
            if len(self.seconds) > 1
            else self.seconds * 99
        )
        return [value * 1000 for value in (cuts[49], cuts[94], cuts[98], max(self.seconds))]


def measure(report: BenchmarkReport, url: str, stored: int, seconds: float, folder: Path) -> None:
    report.section(
        f"Mixed load, {stored:,} customers, 2 workers",
        f"{', '.join(f'{count} {kind}' for kind, count in CLIENTS.items())} and an import of {IMPORTED_ROWS:,} rows.",
    )
    with service(url, stored, folder, workers=2) as ours:
        create_bench_operator(url, EMAIL)
        headers = {**ours.headers, "Cookie": sign_in(ours.server.address, EMAIL)}
        alone = {kind: _run(ours, headers, [kind], stored, seconds / 4)[kind] for kind in CLIENTS}
        interactive = _run(ours, headers, INTERACTIVE, stored, seconds / 4)
        with _importing(url, stored, folder):
            together = _run(ours, headers, list(CLIENTS), stored, seconds)
    report.table("ms", "p50", "p95", "p99", "worst", "failed")
    for kind in CLIENTS:
        beside = {
            "alone": alone[kind],
            "beside the other interactive clients": interactive.get(kind),
            "beside everything": together[kind],
        }
        for others, result in beside.items():
            if result:
                figures = (f"{value:.0f}" for value in result.percentiles())
                report.row(f"{kind}, {others}", *figures, len(result.failures))
    report.line()
    report.table("mixed load", "ratio", "target")
    for kind in ("gateway", "single save"):
        ratio = together[kind].percentiles()[2] / alone[kind].percentiles()[2]
        report.target(f"p99 of a {kind} together ÷ alone", ratio, maximum=4)
        sharing = interactive[kind].percentiles()[2] / alone[kind].percentiles()[2]
        report.row(f"the same without the nightly job and the import: {kind}", f"{sharing:.3g}", "")
    report.target("failed requests", sum(len(result.failures) for result in together.values()), maximum=0)


def _run(ours: Service, headers: dict[str, str], kinds: list[str], stored: int, seconds: float) -> dict[str, Result]:
    """Run the clients of these kinds at once, each kind in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(kinds), mp_context=context) as pool:
        futures = {
            kind: pool.submit(run_clients, kind, ours.server.address, headers, stored, seconds) for kind in kinds
        }
        return {kind: future.result() for kind, future in futures.items()}


def run_clients(kind: str, address: str, headers: dict[str, str], stored: int, seconds: float) -> Result:
    """Run all clients of one kind; each sends its next request when it has a response."""
    result, end = Result(), time.monotonic() + seconds
    with ThreadPoolExecutor(CLIENTS[kind]) as pool:
        for number in range(CLIENTS[kind]):
            pool.submit(_client, result, address, headers, REQUESTS[kind](stored, random.Random(number)), end)
    return result


def _client(result: Result, address: str, headers: dict[str, str], requests: Iterator[Request], end: float) -> None:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=60)
    while time.monotonic() < end:
        method, path, body = next(requests)
        started = time.perf_counter()
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            response.read()
        except OSError as error:
            result.failures.append(repr(error))
            connection.close()
            continue
        result.seconds.append(time.perf_counter() - started)
        if response.status != 200:
            result.failures.append(str(response.status))


def _gateway(stored: int, rng: random.Random) -> Iterator[Request]:
    while True:
        yield "GET", f"/api/customers/segments?document_id={dataset.document_id(rng.randrange(stored))}", b""


def _single_saves(stored: int, rng: random.Random) -> Iterator[Request]:
    while True:
        yield "POST", SEGMENTS, orjson.dumps({"customers": dataset.nightly(stored, 1, rng)})


def _operator(stored: int, rng: random.Random) -> Iterator[Request]:
    paths: list[Callable[[], str]] = [
        lambda: "/customers",
        lambda: f"/customers?q={rng.choice(dataset.GIVEN_NAMES)}",
        lambda: f"/customers/{dataset.document_id(rng.randrange(stored))}",
        lambda: "/customers?segment=membership:GOLD",
        lambda: "/segments",
    ]
    while True:
        yield "GET", urllib.parse.quote(rng.choice(paths)(), safe="/?=&:"), b""


def _nightly(stored: int, _rng: random.Random) -> Iterator[Request]:
    batches = NightlyBatches(stored)
    batches.new()
    while True:
        yield "POST", SEGMENTS, orjson.dumps({"customers": batches.mostly_unchanged()})


REQUESTS: dict[str, Callable[[int, random.Random], Iterator[Request]]] = {
    "gateway": _gateway,
    "single save": _single_saves,
    "operator": _operator,
    "nightly job": _nightly,
}


@contextmanager
def _importing(url: str, stored: int, folder: Path) -> Iterator[None]:
    """Import a file by command while the `with` block runs."""
    file = folder / "customers.csv"
    write_file(file, min(IMPORTED_ROWS, stored), stored, 0, random.Random(8))
    environ = {**clean(), "DATABASE_URL": url, "SECRET_KEY": "only-for-tests-0123456789"}
    command = [sys.executable, "-m", "flask", "customers", "import", str(file)]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL) as process:
        yield
        if process.wait(timeout=600):
            raise RuntimeError("the import failed")


def create_bench_operator(url: str, email: str) -> None:
    app = create_app({"DATABASE_URL": url, "SECRET_KEY": "only-for-tests-0123456789"})
    with app.app_context():
        create_operator(email, "viewer", PASSWORD)


def sign_in(address: str, email: str) -> str:
    """Return the session cookie of an operator whom `create_bench_operator` made."""
    cookies = CookieJar()
    open_url = partial(urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies)).open, timeout=20)
    form = open_url(f"{address}/sign-in").read().decode()
    token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', form)[0]
    fields = {"csrf_token": token, "email": email, "password": PASSWORD}
    open_url(f"{address}/sign-in", urllib.parse.urlencode(fields).encode())
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies)
