"""One outgoing HTTP request: to an address that was checked, within ten seconds, without redirects.

On http.client: each of these rules is a line there, while libraries that connect by themselves must be worked around.
"""

import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from threading import Timer

from app.webhooks.url_policy import Target

TIMEOUT_S = 10.0

MAX_RETRY_AFTER_S = 24 * 3600

MAX_RESPONSE_BYTES = 4096
"""Bytes of a response that are read, so that a short one ends normally. Their content is ignored."""


class DeliveryError(Exception):
    """There was no response; the message says why."""


@dataclass(frozen=True)
class ReceiverResponse:
    status: int
    description: str
    """`503 Service Unavailable`: the status with its standard phrase, never text of the receiver."""
    retry_after_s: float


def post(target: Target, addresses: list[str], headers: Mapping[str, str], body: bytes) -> ReceiverResponse:
    """Send a request. Raises DeliveryError."""
    connection = _PinnedConnection(target, addresses)
    alarm = Timer(TIMEOUT_S, connection.abort)  # a socket's own timeout restarts with every byte
    alarm.daemon = True
    alarm.start()
    try:
        connection.request("POST", target.path, body, dict(headers))
        response = connection.getresponse()
        if connection.aborted:  # an aborted connection looks like the end of the headers
            raise TimeoutError
        with suppress(OSError, HTTPException):
            response.read(MAX_RESPONSE_BYTES)
        return ReceiverResponse(response.status, _describe_status(response.status), _retry_after(response))
    except (OSError, HTTPException) as error:
        raise DeliveryError(_describe_error(error, connection)) from error
    finally:
        alarm.cancel()
        connection.close()


class _PinnedConnection(HTTPConnection):
    """A connection to the addresses that were checked, even if the name resolves differently a moment later."""

    def __init__(self, target: Target, addresses: list[str]) -> None:
        super().__init__(target.host, target.port, timeout=TIMEOUT_S)
        self.default_port = 443 if target.https else 80  # omitted in the header Host
        self.deadline = time.monotonic() + TIMEOUT_S
        self.reached = self.aborted = False
        self._target, self._addresses = target, addresses

    def connect(self) -> None:
        self.sock = self._first_reached()
        self.reached = True
        self.sock.settimeout(max(self.deadline - time.monotonic(), 0.01))
        if self._target.https:
            server = self._target.host
            # A separate handshake, so that `abort` finds the socket during it.
            self.sock = _tls().wrap_socket(self.sock, server_hostname=server, do_handshake_on_connect=False)
            self.sock.do_handshake()

    def _first_reached(self) -> socket.socket:
        """Connect to the first address that answers; each gets its share of the remaining time."""
        for left in range(len(self._addresses), 1, -1):
            with suppress(OSError):
                return self._connected(self._addresses[-left], (self.deadline - time.monotonic()) / left)
        return self._connected(self._addresses[-1], self.deadline - time.monotonic())

    def _connected(self, address: str, timeout: float) -> socket.socket:
        return socket.create_connection((address, self._target.port), timeout=max(timeout, 0.01))

    def abort(self) -> None:
        self.aborted = True
        with suppress(OSError, AttributeError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _describe_error(error: Exception, connection: _PinnedConnection) -> str:
    if connection.aborted or isinstance(error, TimeoutError):
        return f"no response within {TIMEOUT_S:.0f} seconds"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "the TLS handshake failed"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    return "the connection broke" if connection.reached else "the host could not be reached"


def _describe_status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _retry_after(response: HTTPResponse) -> float:
    """Return the seconds of the header Retry-After, a number or an HTTP date; 0 without a valid one."""
    value = (response.getheader("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return float(min(int(value[:9]), MAX_RETRY_AFTER_S))
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
