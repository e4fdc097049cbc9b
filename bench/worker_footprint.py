"""One worker: the time from its start to its first response, and the memory of a large request."""

import http.client
import random
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from bench import dataset
from bench.report import BenchmarkReport
from bench.servers.gunicorn import ROOT, clean
from bench.service import SEGMENTS, Service, call, service

AT_ONCE = 8
"""Requests: more than MAX_CONCURRENT_LARGE_BODIES, which bounds the memory."""

START = """
import gc, time
gc.set_threshold(200_000, 50, 100)  # as in gunicorn.conf.py
started = time.perf_counter()
import wsgi
client = wsgi.app.test_client()
response = client.get("/api/v3/segments", headers={"Authorization": "Bearer unknown"})
assert response.status_code == 401
print(time.perf_counter() - started)
"""


def start(report: BenchmarkReport, url: str, rounds: int) -> None:
    """Time from the import to the first response, which includes the look-up of a token."""
    seconds = _run_script(url, START, rounds + 1)
    report.section("A worker's start", f"Import to first response, {rounds} starts after one that does not count.")
    report.table("start", "seconds", "target")
    report.target("median", statistics.median(seconds[1:]), maximum=1.0)


def memory(report: BenchmarkReport, url: str, stored: int, folder: Path, customers: int = 50_000) -> None:
    body = orjson.dumps({"customers": dataset.nightly(stored, customers, random.Random(6))})
    with service(url, stored, folder) as ours:
        ours.replacing(dataset.nightly(stored, 1, random.Random(7)))()
        (worker,) = ours.server.workers()
        Path(f"/proc/{worker}/clear_refs").write_text("5")  # resets the recorded peak
        before = _kilobytes(worker, "VmRSS")
        call(ours.server.address, "POST", SEGMENTS, ours.headers, body)
        peak = _kilobytes(worker, "VmHWM")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            statuses = list(pool.map(partial(_status, ours, body), range(AT_ONCE)))
        peak_of_many = _kilobytes(worker, "VmHWM")
    sized = f"a body of {len(body) / 2**20:.1f} MiB"
    report.section(
        "Memory", f"One request of {customers:,} customers, {sized}, to a worker that has served one before."
    )
    report.table("", "MiB")
    report.row("worker before", before >> 10)
    report.row("worker at its peak", peak >> 10)
    report.row(f"worker at its peak, {AT_ONCE} such requests at once", peak_of_many >> 10)
    report.row(f"of these {AT_ONCE}: answered 200, answered 503", f"{statuses.count(200)}, {statuses.count(503)}")
    report.line()
    report.table("memory", "ratio", "target")
    report.target("peak growth during the request ÷ body", (peak - before) * 1024 / len(body), maximum=10)
    report.row("the whole worker at its peak ÷ body", f"{peak * 1024 / len(body):.3g}", "")


def _status(ours: Service, body: bytes, _number: int) -> int:
    connection = http.client.HTTPConnection(urlsplit(ours.server.address).netloc, timeout=120)
    with closing(connection):
        connection.request("POST", SEGMENTS, body, ours.headers)
        return connection.getresponse().status


def _kilobytes(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


COUNT_REQUESTS = """
import os, sys, tempfile, time
os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp()
import wsgi
from app.web import metrics
from flask import Response, g
with wsgi.app.test_request_context("/api/v3/segments"):
    g.started = time.perf_counter()
    response = Response("{}")
    for _ in range(1000):
        metrics._count(response)
    started = time.perf_counter()
    for _ in range(20000):
        metrics._count(response)
    print((time.perf_counter() - started) / 20000)
"""


def cost_of_metrics(report: BenchmarkReport, url: str, rounds: int) -> None:
    seconds = _run_script(url, COUNT_REQUESTS, rounds)
    report.section("Metrics", "The cost that counting for `/metrics` adds to every request, in one of several workers.")
    report.table("", "µs per request")
    report.row("counting", f"{statistics.median(seconds) * 1e6:.0f}")


def _run_script(url: str, script: str, times: int) -> list[float]:
    """Return the last number that the script prints, for each of `times` runs in a new process."""
    environ, command = (
        {**clean(), "DATABASE_URL": url, "SECRET_KEY": "only-for-tests-0123456789"},
        [sys.executable, "-c", script],
    )
    runs = (subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True) for _ in range(times))
    return [float(run.stdout.split()[-1]) for run in runs]
