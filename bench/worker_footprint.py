"""A worker by itself: how soon it answers, and how much memory a large request takes."""

import random
import statistics
import subprocess
import sys
from pathlib import Path

import orjson

from bench import dataset
from bench.report import Report
from bench.service import SEGMENTS, ask, service
from tests.support.gunicorn import ROOT, clean

START = """
import time
started = time.perf_counter()
import wsgi
client = wsgi.app.test_client()
answer = client.get("/api/v3/segments", headers={"Authorization": "Bearer unknown"})
assert answer.status_code == 401
print(time.perf_counter() - started)
"""


def start(report: Report, url: str, rounds: int) -> None:
    """From the import to the first answer, for which a token was looked up in the database."""
    took = _told(url, START, rounds + 1)
    report.section("A worker's start", f"Import to first answer, {rounds} starts after one that does not count.")
    report.table("start", "seconds", "aim")
    report.aim("median", statistics.median(took[1:]), at_most=1.0)


def memory(report: Report, url: str, stored: int, folder: Path, sent: int = 50_000) -> None:
    body = orjson.dumps({"customers": dataset.nightly(stored, sent, random.Random(6))})
    with service(url, stored, folder) as ours:
        ours.replacing(dataset.nightly(stored, 1, random.Random(7)))()
        (worker,) = ours.server.workers()
        Path(f"/proc/{worker}/clear_refs").write_text("5")  # its peak is what it holds now
        before = _kilobytes(worker, "VmRSS")
        ask(ours.server.address, "POST", SEGMENTS, ours.headers, body)
        peak = _kilobytes(worker, "VmHWM")
    sized = f"a body of {len(body) / 2**20:.1f} MiB"
    report.section("Memory", f"One request of {sent:,} customers, {sized}, to a worker that answered one before.")
    report.table("", "MiB")
    report.row("worker before", before >> 10)
    report.row("worker at its peak", peak >> 10)
    report.say()
    report.table("memory", "ratio", "aim")
    report.aim("what the request took at its peak ÷ body", (peak - before) * 1024 / len(body), at_most=12)
    report.row("the whole worker at its peak ÷ body", f"{peak * 1024 / len(body):.3g}", "")


def _kilobytes(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


COUNTED = """
import os, sys, tempfile, time
os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp()
import wsgi
from app import metrics
from flask import Response, g
with wsgi.app.test_request_context("/api/v3/segments"):
    g.started = time.perf_counter()
    answer = Response("{}")
    for _ in range(1000):
        metrics._count(answer)
    started = time.perf_counter()
    for _ in range(20000):
        metrics._count(answer)
    print((time.perf_counter() - started) / 20000)
"""


def cost_of_metrics(report: Report, url: str, rounds: int) -> None:
    took = _told(url, COUNTED, rounds)
    report.section("Metrics", "What counting for `/metrics` adds to every request, in one of several workers.")
    report.table("", "µs a request")
    report.row("counting", f"{statistics.median(took) * 1e6:.0f}")


def _told(url: str, script: str, times: int) -> list[float]:
    """What the script prints last, each time in a process of its own."""
    environ, command = {**clean(), "DATABASE_URL": url, "SECRET_KEY": "bench"}, [sys.executable, "-c", script]
    runs = (subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True) for _ in range(times))
    return [float(run.stdout.split()[-1]) for run in runs]
