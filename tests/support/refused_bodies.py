"""Large bodies that are refused, sent by many HTTP clients: each client has to receive the refusal.

`python -m tests.support.refused_bodies` sends each of them 50 times with every client.
"""

import argparse
import asyncio
import gc
import io
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import requests

from bench.servers.gunicorn import ROOT, SECRET_KEY, Server, serving
from tests.support.commands import run_flask

SIZES = (8_000_000, 40_000_000)
SMALL_LIMIT, LARGE_LIMIT = 1_000_000, 64_000_000
TIMEOUT_S = 600
NODE = Path(sys.executable).parent / "node"

StatusAndCode = tuple[int, str]
"""The status and code of an answer."""


@dataclass(frozen=True)
class Case:
    """A request that a server with this limit of bytes refuses."""

    refusal: StatusAndCode
    limit: int
    content_type: str = "application/json"
    authenticated: bool = True

    def headers(self, token: str) -> dict[str, str]:
        authorization = {"Authorization": f"Bearer {token}"} if self.authenticated else {}
        return {"Content-Type": self.content_type, **authorization}


CASES = (
    Case((401, "UNAUTHENTICATED"), LARGE_LIMIT, authenticated=False),
    Case((400, "MALFORMED_JSON"), LARGE_LIMIT),
    Case((415, "UNSUPPORTED_MEDIA_TYPE"), LARGE_LIMIT, content_type="text/plain"),
    Case((413, "TOO_LARGE"), SMALL_LIMIT),
)


def _urllib(url: str, headers: dict[str, str], body: bytes) -> StatusAndCode:
    try:
        urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"]["code"]
    raise AssertionError("accepted")


def _requests(url: str, headers: dict[str, str], body: bytes) -> StatusAndCode:
    response = requests.post(url, data=body, headers=headers, timeout=TIMEOUT_S)
    return response.status_code, response.json()["error"]["code"]


def _httpx(url: str, headers: dict[str, str], body: bytes) -> StatusAndCode:
    response = httpx.post(url, content=body, headers=headers, timeout=TIMEOUT_S)
    return response.status_code, response.json()["error"]["code"]


def _aiohttp(url: str, headers: dict[str, str], body: bytes) -> StatusAndCode:
    async def post() -> StatusAndCode:
        timeout = aiohttp.ClientTimeout(TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=io.BytesIO(body), headers=headers) as response,
        ):
            return response.status, (await response.json())["error"]["code"]

    # A refusal comes before the body has been sent, and aiohttp leaves the transport with the rest of it to the
    # garbage collector, which warns: collected here, the warning does not reach another test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return asyncio.run(post())
        finally:
            gc.collect()


PYTHON_CLIENTS: dict[str, Callable[[str, dict[str, str], bytes], StatusAndCode]] = {
    "urllib": _urllib,
    "requests": _requests,
    "httpx": _httpx,
    "aiohttp": _aiohttp,
}
CLIENTS = (*PYTHON_CLIENTS, "node")

FETCH = """
const [url, headers, size, times] = JSON.parse(process.argv[1]);
const body = new Uint8Array(size).fill(120);
for (let n = 0; n < times; n++) {
  let result;
  try {
    const response = await fetch(url, {method: "POST", headers, body});
    result = [response.status, (await response.json()).error.code];
  } catch (error) {
    result = [0, String(error.cause ?? error)];
  }
  console.log(JSON.stringify(result));
}
"""


def send(client: str, url: str, headers: dict[str, str], size: int, times: int) -> Counter[StatusAndCode]:
    """Send a body of `size` bytes so many times, and count the answers; status 0 is a failure of the client."""
    if client == "node":
        return _node(url, headers, size, times)
    answers: Counter[StatusAndCode] = Counter()
    for _ in range(times):
        try:
            answers[PYTHON_CLIENTS[client](url, headers, b"x" * size)] += 1
        except (OSError, httpx.HTTPError, aiohttp.ClientError) as error:
            answers[0, repr(error)] += 1
    return answers


def _node(url: str, headers: dict[str, str], size: int, times: int) -> Counter[StatusAndCode]:
    arguments = json.dumps([url, headers, size, times])
    command = [str(NODE), "--input-type=module", "-e", FETCH, arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Counter(tuple(json.loads(line)) for line in done.stdout.splitlines())


@contextmanager
def services(folder: Path) -> Iterator[tuple[dict[int, Server], str]]:
    """Yield a server for each limit of bytes, and a token."""
    environ = {"DATABASE_URL": f"sqlite:///{folder / 'test.db'}", "SECRET_KEY": SECRET_KEY, "LOG_FORMAT": "json"}
    run_flask(environ, ROOT, "db", "upgrade")
    token = run_flask(environ, ROOT, "tokens", "create", "crm").splitlines()[-1]
    small, large = (environ | {"WEB_CONCURRENCY": "1", "MAX_BODY_BYTES": str(n)} for n in (SMALL_LIMIT, LARGE_LIMIT))
    with serving(small, folder / "small.log") as one, serving(large, folder / "large.log") as other:
        yield {SMALL_LIMIT: one, LARGE_LIMIT: other}, token


def refuse(
    running: dict[int, Server], token: str, case: Case, client: str, size: int, times: int
) -> Counter[StatusAndCode]:
    """Send a case, and count the answers."""
    url = f"{running[case.limit].address}/api/v3/customers/segments"
    return send(client, url, case.headers(token), size, times)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.refused_bodies", description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    times = parser.parse_args().times
    failed, started = False, time.monotonic()
    with tempfile.TemporaryDirectory() as folder, services(Path(folder)) as (running, token):
        for client in CLIENTS:
            for size in SIZES:
                counts: dict[int, Any] = {}
                for case in CASES:
                    answers = refuse(running, token, case, client, size, times)
                    counts[case.refusal[0]] = answers[case.refusal]
                    failed = failed or answers != {case.refusal: times}
                    if answers != {case.refusal: times}:
                        print(f"FAILED {client}, {size:,} bytes, {case.refusal}: {dict(answers)}", flush=True)
                print(f"{client}, {size:,} bytes: {counts} of {times} each", flush=True)
    print(f"{time.monotonic() - started:.0f} s")
    sys.exit(failed)


if __name__ == "__main__":
    main()
