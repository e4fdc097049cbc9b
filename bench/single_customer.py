"""One customer a request, 8 clients, 2 workers: requests a second, against an empty view and against peers."""

import random
import statistics
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import orjson

from bench import dataset, peers
from bench.load import answers_a_second, request
from bench.report import Report
from bench.service import SEGMENTS, service

CLIENTS, WORKERS = 8, 2
SERVED = ("empty", "tutorial", "rest_framework")


def measure(  # noqa: PLR0913, PLR0917
    report: Report, url: str, stored: int, rounds: int, seconds: float, folder: Path
) -> None:
    report.section(
        f"One customer of {stored:,} a request",
        f"{CLIENTS} clients, {WORKERS} workers, PostgreSQL; every request changes a customer, and ours writes history.",
    )
    dice = random.Random(3)
    rates: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        ours = stack.enter_context(service(url, stored, folder, workers=WORKERS))
        at = {name: stack.enter_context(peers.serving(name, url, folder / name, WORKERS)) for name in SERVED}
        at["ours"] = ours.server.address
        for turn in range(-1, rounds):
            for name, address in at.items():
                bodies = [orjson.dumps({"customers": dataset.nightly(stored, 1, dice)}) for _ in range(5_000)]
                requests = [request("POST", SEGMENTS, ours.headers, body) for body in bodies]
                rate = answers_a_second(address, requests, clients=CLIENTS, seconds=seconds)
                if turn >= 0:
                    rates[name].append(rate)
    report.table(f"{rounds} rounds of {seconds:g} s", "median requests/s", "least", "most")
    for name, all_ in rates.items():
        report.row(name, *(f"{value:.0f}" for value in (statistics.median(all_), min(all_), max(all_))))
    report.say()
    median = {name: statistics.median(all_) for name, all_ in rates.items()}
    report.table("one customer a request", "ratio of medians", "aim")
    report.aim("our requests/s ÷ an empty view's", median["ours"] / median["empty"], at_least=0.30)
    report.aim("our requests/s ÷ the tutorial's", median["ours"] / median["tutorial"], at_least=1.5)
    report.aim("our requests/s ÷ Django REST framework's", median["ours"] / median["rest_framework"], at_least=2)
