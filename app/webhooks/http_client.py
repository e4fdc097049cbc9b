"""One HTTP request to the outside: to the very address that was checked, within ten seconds, following nothing.

On http.client, because each of these is a line there, and an obstacle to get around in a library that connects for us.
"""

import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from http.client import HTTPConnection, HTTPException
from threading import Timer

from app.webhooks.url_policy import Target

TIMEOUT_S = 10.0

MAX_RESPONSE_BYTES = 4096
"""Bytes of an answer, so that a short one ends in peace. They are not looked at."""


class DeliveryError(Exception):
    """There was no answer; the message says why, in words of ours."""


def post(target: Target, addresses: list[str], headers: Mapping[str, str], body: bytes) -> int:
    """Send, and give back the status of the answer. Raises NotReached."""
    connection = _Connection(target, addresses)
    alarm = Timer(TIMEOUT_S, connection.abort)  # a socket's own timeout begins anew with every byte
    alarm.daemon = True
    alarm.start()
    try:
        connection.request("POST", target.path, body, dict(headers))
        response = connection.getresponse()
        if connection.aborted:  # it looks as if the headers had come to their end
            raise TimeoutError
        with suppress(OSError, HTTPException):
            response.read(MAX_RESPONSE_BYTES)
        return response.status
    except (OSError, HTTPException) as error:
        raise DeliveryError(_describe_error(error, connection)) from error
    finally:
        alarm.cancel()
        connection.close()


class _Connection(HTTPConnection):
    """A connection to addresses that were checked, whatever the name means a moment later."""

    def __init__(self, target: Target, addresses: list[str]) -> None:
        super().__init__(target.host, target.port, timeout=TIMEOUT_S)
        self.default_port = 443 if target.https else 80  # what need not stand in the header Host
        self.deadline = time.monotonic() + TIMEOUT_S
        self.reached = self.aborted = False
        self._target, self._addresses = target, addresses

    def connect(self) -> None:
        self.sock = self._first_reached()
        self.reached = True
        self.sock.settimeout(max(self.deadline - time.monotonic(), 0.01))
        if self._target.https:
            server = self._target.host
            # Not yet, so that `abort` finds the socket also while hands are being shaken.
            self.sock = _tls().wrap_socket(self.sock, server_hostname=server, do_handshake_on_connect=False)
            self.sock.do_handshake()

    def _first_reached(self) -> socket.socket:
        """The first address that can be reached; each may take its share of the time that is left."""
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


def _describe_error(error: Exception, connection: _Connection) -> str:
    if connection.aborted or isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:.0f} seconds"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "no TLS connection came about"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    return "the connection broke" if connection.reached else "the host could not be reached"
