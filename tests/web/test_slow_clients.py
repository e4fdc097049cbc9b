"""Clients that are idle or slow do not keep others from being served."""

import socket
import time
import urllib.request
from collections.abc import Callable

import pytest

from bench.servers.gunicorn import Server
from tests.support.raw_http import connect, head, read_response

SOCKETS = 100
PATH = "/api/v3/customers/segments"

Shared = tuple[Server, dict[str, str]]


def send_nothing(_connection: socket.socket, _headers: dict[str, str]) -> None:
    pass


def send_half_a_head(connection: socket.socket, _headers: dict[str, str]) -> None:
    connection.sendall(b"POST /api/v3/customers/segments HTTP/1.1\r\nHost: x\r\nX-Slow: ")


def send_half_a_small_body(connection: socket.socket, headers: dict[str, str]) -> None:
    connection.sendall(head("POST", PATH, headers | {"Content-Length": "1000"}) + b'{"customers"')


def send_half_a_large_body(connection: socket.socket, headers: dict[str, str]) -> None:
    connection.sendall(head("POST", PATH, headers | {"Content-Length": "30000000"}) + b'{"customers"')


def send_half_a_chunked_body(connection: socket.socket, headers: dict[str, str]) -> None:
    connection.sendall(head("POST", PATH, headers | {"Transfer-Encoding": "chunked"}) + b"ff\r\n{")


def read_nothing(connection: socket.socket, headers: dict[str, str]) -> None:
    connection.sendall(head("GET", "/api/v3/openapi.json", headers) * 20)


@pytest.mark.parametrize(
    "behave",
    [
        send_nothing,
        send_half_a_head,
        send_half_a_small_body,
        send_half_a_large_body,
        send_half_a_chunked_body,
        read_nothing,
    ],
)
def test_slow_clients_do_not_delay_other_requests(
    shared_server: Shared, behave: Callable[[socket.socket, dict[str, str]], None]
) -> None:
    server, headers = shared_server
    connections = [connect(server.port) for _ in range(SOCKETS)]
    try:
        for connection in connections:
            behave(connection, headers)
        for path in ("/healthz", "/readyz", "/api/v3/segments", "/healthz"):
            request = urllib.request.Request(server.address + path, headers=headers)
            with urllib.request.urlopen(request, timeout=30) as response:
                assert response.status == 200
    finally:
        for connection in connections:
            connection.close()


def test_a_body_in_many_pieces_is_served(shared_server: Shared) -> None:
    server, headers = shared_server
    body = b'{"customers": [{"document_id": "1232-2323", "segments": []}]}'
    with connect(server.port) as connection:
        connection.sendall(head("POST", PATH, headers | {"Content-Length": str(len(body))}))
        for byte in body:
            connection.sendall(bytes([byte]))
            time.sleep(0.005)
        assert read_response(connection).json() == {"updatedCustomers": ["1232-2323"]}


def test_pipelined_requests_are_answered_in_order(shared_server: Shared) -> None:
    server, headers = shared_server
    body = b'{"customers": [{"document_id": "1232-2323", "segments": []}]}'
    post = head("POST", PATH, headers | {"Content-Length": str(len(body))}) + body
    with connect(server.port) as connection:
        connection.sendall(post + head("GET", "/api/v3/customers/nobody/segments", headers) + post)
        data = b""
        while data.count(b"HTTP/1.1 ") < 3 or not data.endswith(b'{"updatedCustomers":["1232-2323"]}'):
            received = connection.recv(65_536)
            assert received
            data += received
    statuses = [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 404, 200]
