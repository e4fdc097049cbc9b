"""A receiver of webhooks: a server that stores what it receives and answers with given statuses."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    path: str
    headers: Message
    body: bytes
    status: int

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    address: tuple[str, int]
    answers: list[int] = field(default_factory=list)
    """Statuses of the next responses; then 204."""
    retry_after: str | None = None
    """The header Retry-After of the responses."""
    received: list[Received] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    """Set, unless responses are to wait."""

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}/hook?shop=1"

    def accepted(self) -> list[str]:
        """Return the ids of the accepted change sets, in order."""
        return [request.json()["data"]["changeSet"]["id"] for request in self.received if request.status == 204]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver(("", 0))
    receiver.hold.set()
    lock = threading.Lock()

    class ReceiverHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                status = receiver.answers.pop(0) if receiver.answers else 204
                receiver.received.append(Received(self.path, self.headers, body, status))
            receiver.hold.wait(20)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"http://127.0.0.1:{receiver.address[1]}/elsewhere")
            if receiver.retry_after:
                self.send_header("Retry-After", receiver.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), ReceiverHandler) as server:
        receiver.address = ("127.0.0.1", server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.hold.set()
            server.shutdown()
            thread.join()
