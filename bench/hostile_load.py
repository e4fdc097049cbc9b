"""What other clients feel beside slow sockets, many sign-ins, large bodies and requests that wait for one row.

The same clients are measured alone just before each of them, so that a slow minute of the machine slows both.
"""

import http.client
import multiprocessing
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import orjson
import psycopg

from bench import dataset
from bench.mixed_load import PASSWORD, Result, create_bench_operator, run_clients
from bench.report import BenchmarkReport
from bench.service import SEGMENTS, Service, service

SOCKETS, SIGN_INS, LARGE_BODIES, WAITING = 100, 16, 4, 10
LARGE_BODY_BYTES = 31 * 1024 * 1024
HEALTH_INTERVAL_S = 0.02
EMAIL = "hostile@example.com"

Load = Callable[[Service, str], AbstractContextManager[None]]


def measure(report: BenchmarkReport, url: str, stored: int, seconds: float, folder: Path) -> None:
    report.section(
        f"Beside hostile clients, {stored:,} customers, 2 workers",
        "Eight clients that read the gateway, and one that asks /healthz; alone, and beside each load. In ms.",
    )
    figures: dict[str, tuple[float, float]] = {}
    report.table("beside", "p50 alone", "p99 alone", "p50", "p99", "/healthz p99", "/healthz worst", "failed")
    with service(url, stored, folder, workers=2) as ours:
        create_bench_operator(url, EMAIL)
        for name, load in LOADS.items():
            alone = _measure_clients(ours, stored, seconds)
            with load(ours, url):
                beside = _measure_clients(ours, stored, seconds)
            (p50, _, p99, _), (p50_beside, _, p99_beside, _) = (clients.percentiles() for clients, _ in (alone, beside))
            health = beside[1].percentiles()
            cells = (p50, p99, p50_beside, p99_beside, *health[2:])
            failed = len(beside[0].failures) + len(beside[1].failures)
            report.row(name, *(f"{value:.0f}" for value in cells), failed)
            figures[name] = p99_beside / p99, health[3]
    report.line()
    report.table("hostile load", "ratio, ms", "target")
    for name, (ratio, worst) in figures.items():
        report.target(f"p99 beside {name} ÷ alone", ratio, maximum=3)
        report.target(f"worst /healthz beside {name}", worst, maximum=300)


def _measure_clients(ours: Service, stored: int, seconds: float) -> tuple[Result, Result]:
    """Return the results of the clients and of /healthz, each from a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        clients = pool.submit(run_clients, "gateway", ours.server.address, ours.headers, stored, seconds)
        health = pool.submit(ask_health, ours.server.address, seconds)
        return clients.result(), health.result()


def ask_health(address: str, seconds: float) -> Result:
    result, end = Result(), time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.perf_counter()
        try:
            with closing(http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=30)) as connection:
                connection.request("GET", "/healthz")
                status = connection.getresponse().status
        except OSError as error:
            result.failures.append(repr(error))
            continue
        result.seconds.append(time.perf_counter() - started)
        if status != 200:
            result.failures.append(str(status))
        time.sleep(HEALTH_INTERVAL_S)
    return result


# Loads


def _slow_sockets(begin: Callable[[Service], bytes]) -> Load:
    @contextmanager
    def load(ours: Service, _url: str) -> Iterator[None]:
        with ExitStack() as stack:
            for _ in range(SOCKETS):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", ours.server.port), timeout=30))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(begin(ours))
            yield

    return load


def _head(ours: Service, method: str, path: str, **headers: str) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        *(f"{k}: {v}" for k, v in (ours.headers | headers).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _half_a_body(ours: Service) -> bytes:
    return _head(ours, "POST", SEGMENTS, **{"Content-Length": "1000"}) + b'{"customers"'


def _unread_responses(ours: Service) -> bytes:
    return _head(ours, "GET", "/api/v3/openapi.json") * 20


def _repeated(work: Callable[[Service, str, Callable[[], bool]], None], threads: int) -> Load:
    """Return the load of threads that each do `work` until the function that they get returns that the time is over."""

    @contextmanager
    def load(ours: Service, url: str) -> Iterator[None]:
        stop = threading.Event()
        running = [threading.Thread(target=work, args=(ours, url, stop.is_set)) for _ in range(threads)]
        for thread in running:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in running:
                thread.join()

    return load


def _post(ours: Service, path: str, headers: dict[str, str], body: bytes) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", ours.server.port, timeout=120)) as connection:
        try:
            connection.request("POST", path, body, headers)
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)  # refused: the load is the matter here, not its answers


def _sign_in(ours: Service, _url: str, stopped: Callable[[], bool]) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", ours.server.port, timeout=120)) as connection:
        connection.request("GET", "/sign-in")
        response = connection.getresponse()
        cookie = str(response.getheader("Set-Cookie")).partition(";")[0]
        token = response.read().decode().partition('name="csrf_token" value="')[2].partition('"')[0]
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    form = urllib.parse.urlencode({"csrf_token": token, "email": EMAIL, "password": PASSWORD}).encode()
    while not stopped():
        _post(ours, "/sign-in", headers, form)


def _send_large_body(ours: Service, _url: str, stopped: Callable[[], bool]) -> None:
    count, segments = 40_000, [{"type": f"type-{number}", "value": "x" * 40} for number in range(10)]
    customers = [{"document_id": f"nobody-{number}", "segments": segments} for number in range(count)]
    body = orjson.dumps({"customers": customers})
    assert len(body) < LARGE_BODY_BYTES + 2**20
    while not stopped():
        _post(ours, SEGMENTS, ours.headers, body)


@contextmanager
def _locked_row(ours: Service, url: str) -> Iterator[None]:
    """Ten requests that wait for a row that another transaction holds."""
    document_id = dataset.document_id(1)
    body = orjson.dumps({"customers": [{"document_id": document_id, "segments": []}]})
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("SELECT 1 FROM customers WHERE document_id = %s FOR UPDATE", [document_id])

        def wait(ours: Service, _url: str, stopped: Callable[[], bool]) -> None:
            while not stopped():
                _post(ours, SEGMENTS, ours.headers, body)

        with _repeated(wait, WAITING)(ours, url):
            yield


LOADS: dict[str, Load] = {
    f"{SOCKETS} sockets without a byte": _slow_sockets(lambda _ours: b""),
    f"{SOCKETS} half heads": _slow_sockets(lambda ours: _head(ours, "GET", "/")[:-4]),
    f"{SOCKETS} half bodies": _slow_sockets(_half_a_body),
    f"{SOCKETS} sockets that read nothing": _slow_sockets(_unread_responses),
    f"{SIGN_INS} parallel sign-ins": _repeated(_sign_in, SIGN_INS),
    f"{LARGE_BODIES} bodies of 31 MB": _repeated(_send_large_body, LARGE_BODIES),
    f"{WAITING} requests that wait for a row": _locked_row,
}
