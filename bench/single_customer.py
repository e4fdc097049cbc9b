"""One customer per request, 8 clients, 2 workers: requests per second beside an empty view and the peers."""

import random
import statistics
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import orjson

from bench import dataset, peers
from bench.load import request, responses_per_second
from bench.report import BenchmarkReport
from bench.service import SEGMENTS, service

CLIENTS, WORKERS = 8, 2
SERVED = ("empty", "tutorial", "rest_framework")
SERVED_WITH_HISTORY = ("tutorial", "rest_framework")


GATEWAY = "ours, gateway by id"


def _save_request(headers: dict[str, str], stored: int, rng: random.Random) -> bytes:
    return request("POST", SEGMENTS, headers, orjson.dumps({"customers": dataset.nightly(stored, 1, rng)}))


def _gateway_request(headers: dict[str, str], stored: int, rng: random.Random) -> bytes:
    path = f"/api/customers/segments?document_id={dataset.document_id(rng.randrange(stored))}"
    return request("GET", path, headers, b"")


def measure(  # noqa: PLR0913, PLR0917
    report: BenchmarkReport, url: str, stored: int, rounds: int, seconds: float, folder: Path
) -> None:
    report.section(
        f"One customer of {stored:,} a request",
        f"{CLIENTS} clients, {WORKERS} workers, PostgreSQL; every request changes a customer, and ours writes history.",
    )
    rng = random.Random(3)
    rates: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        ours = stack.enter_context(service(url, stored, folder, workers=WORKERS))
        addresses = {name: stack.enter_context(peers.serving(name, url, folder / name, WORKERS)) for name in SERVED}
        for name in SERVED_WITH_HISTORY:
            served = peers.serving(name, url, folder / f"{name}-history", WORKERS, history=True)
            addresses[peers.WITH_HISTORY[name]] = stack.enter_context(served)
        addresses["ours"] = addresses[GATEWAY] = ours.server.address
        for turn in range(-1, rounds):
            for name, address in addresses.items():
                new = _gateway_request if name == GATEWAY else _save_request
                requests = [new(ours.headers, stored, rng) for _ in range(5_000)]
                rate = responses_per_second(address, requests, clients=CLIENTS, seconds=seconds)
                if turn >= 0:
                    rates[name].append(rate)
    report.table(f"{rounds} rounds of {seconds:g} s", "median requests/s", "minimum", "maximum")
    for name, values in rates.items():
        report.row(name, *(f"{value:.0f}" for value in (statistics.median(values), min(values), max(values))))
    report.line()
    median = {name: statistics.median(values) for name, values in rates.items()}
    report.table("one customer a request", "ratio of medians", "target")
    report.target("our requests/s ÷ an empty view's", median["ours"] / median["empty"], minimum=0.16)
    report.target("our requests/s ÷ the tutorial's", median["ours"] / median["tutorial"], minimum=1.3)
    report.target("our requests/s ÷ Django REST framework's", median["ours"] / median["rest_framework"], minimum=1.6)
    for name in SERVED_WITH_HISTORY:
        label = peers.WITH_HISTORY[name]
        report.target(f"our requests/s ÷ those of the {label}", median["ours"] / median[label], minimum=2.5)
    report.target("gateway requests/s ÷ an empty view's", median[GATEWAY] / median["empty"], minimum=0.35)
