"""Clients that replace, patch and read customers over HTTP, and record what they observed."""

import http.client
import itertools
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.torture.consistency import ClientOperation, state_of

SEGMENTS = "/api/v3/customers/segments"
TIMEOUT_S = 20.0
MAX_TRIES = 100


@dataclass
class Log:
    """All operations, and the responses that must never occur."""

    operations: list[ClientOperation] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, operations: list[ClientOperation]) -> None:
        with self._lock:
            self.operations += operations

    def count(self, status: int, content: bytes) -> None:
        with self._lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status not in (200, 503):
                self.unexpected.append(f"{status}: {content[:300]!r}")


class ClientThread(threading.Thread):
    """One client; it works until `stop` is set. Its random choices follow from its seed."""

    def __init__(self, name: str, port: int, token: str, customers: list[str], seed: str, log: Log) -> None:
        super().__init__(name=name, daemon=True)
        self.port, self.customers, self.log = port, customers, log
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.random, self.numbers, self.stop = random.Random(seed), itertools.count(), threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            self.random.choices([self._read, self._write, self._write_idempotently], weights=[3, 4, 1])[0]()

    def _read(self) -> None:
        read = ClientOperation("read", self.random.choice(self.customers), time.monotonic())
        status, content = self._call("GET", f"/api/v3/customers/{read.document_id}/segments")
        if status == 200:
            read.completed, read.outcome = time.monotonic(), "ok"
            read.state = state_of(content["segments"])
            self.log.add([read])

    def _write(self) -> None:
        """Send one request whose outcome stays unknown if no response arrives."""
        method, body, writes = self._new_write()
        status, content = self._call(method, SEGMENTS, body)
        self._finish(writes, status, content)

    def _write_idempotently(self) -> None:
        """Repeat one request with an Idempotency-Key until a response arrives."""
        method, body, writes = self._new_write()
        key = {"Idempotency-Key": writes[0].value}
        for _ in range(MAX_TRIES):
            status, content = self._call(method, SEGMENTS, body, key)
            if status == 200 or self.stop.is_set():
                break
            time.sleep(0.2)
        self._finish(writes, status if status == 200 else None, content)

    def _new_write(self) -> tuple[str, bytes, list[ClientOperation]]:
        chosen = self.random.sample(self.customers, self.random.choice([1, 1, 1, 2, 5]))
        value = f"{self.name}-{next(self.numbers)}"
        segment = {"type": "write", "value": value}
        patch = self.random.random() < 0.3
        change = {"add": [segment], "remove": []} if patch else {"segments": [segment]}
        body = orjson.dumps({"customers": [{"document_id": id_, **change} for id_ in chosen]})
        now = time.monotonic()
        return "PATCH" if patch else "POST", body, [ClientOperation("write", id_, now, value) for id_ in chosen]

    def _finish(self, writes: list[ClientOperation], status: int | None, content: Any) -> None:
        for write in writes:
            if status == 200:
                write.completed = time.monotonic()
                write.outcome = "ok" if write.document_id in content["updatedCustomers"] else "refused"
            elif status is not None:
                write.completed, write.outcome = time.monotonic(), "refused"
        self.log.add(writes)

    def _call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int | None, Any]:
        """Return status and JSON, or None if no complete response arrived."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body or None, {**self.headers, **(headers or {})})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
            return None, None
        finally:
            connection.close()
        self.log.count(response.status, content)
        return response.status, orjson.loads(content)
