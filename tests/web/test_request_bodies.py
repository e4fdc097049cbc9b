"""Large, refused and broken bodies: each gets its response, and other clients do not wait for it."""

import http.client
import json
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bench.servers.gunicorn import Server, serving, wait_for
from tests.support.raw_http import connect, head, read_response, send

PATH = "/api/v3/customers/segments"

Shared = tuple[Server, dict[str, str]]


def padded(size: int) -> bytes:
    """Return a valid body of `size` bytes for one customer."""
    body = b'{"customers": [{"document_id": "1232-2323", "segments": []}], "padding": "'
    return body + b"x" * (size - len(body) - 2) + b'"}'


def post(server: Server, body: bytes, headers: dict[str, str], path: str = PATH) -> tuple[int, Any]:
    request = urllib.request.Request(server.address + path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["error"]["code"]


@pytest.mark.parametrize("size", [60_000, 70_000, 1_000_000, 8_000_000, 33_554_432])
def test_a_body_up_to_the_limit_is_served(shared_server: Shared, size: int) -> None:
    server, headers = shared_server
    assert post(server, padded(size), headers) == (200, {"updatedCustomers": ["1232-2323"]})


@pytest.mark.parametrize("size", [8_000_000, 40_000_000])
def test_a_refusal_reaches_a_client_that_sends_a_large_body_first(shared_server: Shared, size: int) -> None:
    server, headers = shared_server
    anonymous = {"Content-Type": "application/json"}
    too_large = size > 33_554_432
    assert post(server, padded(size), anonymous) == (401, "UNAUTHENTICATED")
    assert post(server, padded(size), headers | {"Content-Type": "text/plain"}) == (
        (413, "TOO_LARGE") if too_large else (415, "UNSUPPORTED_MEDIA_TYPE")
    )
    assert post(server, b"x" * size, headers) == ((413, "TOO_LARGE") if too_large else (400, "MALFORMED_JSON"))
    assert post(server, padded(size), headers, "/api/v3/nowhere")[0] == 404


def chunked(server: Server, body: bytes, headers: dict[str, str], path: str = PATH) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    chunks = (body[start : start + 50_000] for start in range(0, len(body), 50_000))
    connection.request("POST", path, chunks, headers, encode_chunked=True)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


@pytest.mark.parametrize(("size", "status"), [(500, 200), (70_000, 200), (8_000_000, 200), (34_000_000, 413)])
def test_a_chunked_body_is_served_up_to_the_limit(shared_server: Shared, size: int, status: int) -> None:
    server, headers = shared_server
    assert chunked(server, padded(size), headers | {"Transfer-Encoding": "chunked"}) == status


def test_an_anonymous_chunked_body_is_refused(shared_server: Shared) -> None:
    server, _ = shared_server
    assert chunked(server, padded(8_000_000), {"Transfer-Encoding": "chunked"}) == 401


@pytest.mark.parametrize(
    "chunks", [b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}xx0\r\n\r\n", b"-1\r\n\r\n", b"f" * 20_000, b"\r\n"]
)
def test_an_invalid_chunk_is_400(shared_server: Shared, chunks: bytes) -> None:
    server, headers = shared_server
    response = send(server.port, head("POST", PATH, headers | {"Transfer-Encoding": "chunked"}) + chunks)
    assert response.status == 400
    assert response.json()["error"]["code"] == "BAD_REQUEST"
    assert response.headers["X-Request-Id"] in server.log.read_text()


def test_a_client_that_waits_for_100_continue_is_refused_before_it_sends_the_body(shared_server: Shared) -> None:
    server, headers = shared_server
    expects = {"Expect": "100-continue", "Content-Length": "8000000"}
    response = send(server.port, head("POST", PATH, {"Content-Type": "application/json"} | expects))
    assert response.status == 401
    with connect(server.port) as connection:
        connection.sendall(head("POST", PATH, headers | expects))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(padded(8_000_000))
        assert read_response(connection).status == 200


def test_an_anonymous_upload_is_redirected_and_not_stored(shared_server: Shared) -> None:
    """By its headers: a client that waits for permission to send 1 GiB gets none."""
    server, _ = shared_server
    boundary = b"--b\r\nContent-Disposition: form-data; name=file; filename=a.csv\r\n\r\n"
    body = boundary + b"document_id\n" * 500_000 + b"\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": str(len(body))}
    waiting = headers | {"Content-Length": str(2**30), "Expect": "100-continue"}
    for request in (head("POST", "/imports", headers) + body, head("POST", "/imports", waiting)):
        response = send(server.port, request)
        assert response.status == 302
        assert response.headers["Location"].startswith("/sign-in")


def test_an_anonymous_form_is_limited(shared_server: Shared) -> None:
    server, _ = shared_server
    body = b"email=" + b"x" * 100_000
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
    assert send(server.port, head("POST", "/sign-in", headers) + body).status == 413


def test_large_bodies_at_the_same_time_are_all_served_or_refused(shared_server: Shared) -> None:
    server, headers = shared_server
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(post(server, padded(30_000_000), headers)[0])) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    with urllib.request.urlopen(server.address + "/healthz", timeout=10) as response:
        assert response.status == 200
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert set(results) <= {200, 503}
    assert 200 in results


def test_large_bodies_are_processed_one_after_another(environ: dict[str, str], tmp_path: Path) -> None:
    """As many at the same time as MAX_CONCURRENT_LARGE_BODIES allows: parsed, each takes ten times its size."""
    headers = {"Authorization": f"Bearer {environ['TOKEN']}", "Content-Type": "application/json"}
    limited = environ | {"WEB_CONCURRENCY": "1", "MAX_CONCURRENT_LARGE_BODIES": "1"}
    running: list[str] = []

    def send_large() -> None:
        request = urllib.request.Request(server.address + PATH, padded(2_000_000), headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            running.append(response.headers["X-Running"])

    with serving(limited, tmp_path / "log", application="tests.support.counting_app:app") as server:
        threads = [threading.Thread(target=send_large) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    assert running == ["1"] * 4


def test_memory_of_bodies_is_released(shared_server: Shared) -> None:
    """Bodies whose clients disconnect leave room for the next."""
    server, headers = shared_server
    for _ in range(5):
        with connect(server.port) as connection:
            connection.sendall(head("POST", PATH, headers | {"Content-Length": "30000000"}) + b"x" * 100_000)
    wait_for(lambda: post(server, padded(30_000_000), headers)[0] == 200)


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        (b"GET /api/customers/segments?email=eve@example.com%s HTTP/1.1\r\n\r\n" % (b"9" * 10_000), 414, "TOO_LARGE"),
        ("GET /api/é?email=eve@example.com HTTP/1.1\r\nHost: x\r\n\r\n".encode(), 400, "BAD_REQUEST"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-of-eve\0\r\n\r\n", 400, "BAD_REQUEST"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: secret-of-eve%s\r\n\r\n" % (b"9" * 10_000), 431, "TOO_LARGE"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: secret-of-eve\r\n\r\n", 417, "BAD_REQUEST"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: secret-of-eve\r\n\r\n", 501, "BAD_REQUEST"),
        (b"secret-of-eve\r\n\r\n", 400, "BAD_REQUEST"),
    ],
)
def test_an_invalid_request_is_refused_without_a_trace_of_its_content(
    shared_server: Shared, message: bytes, status: int, code: str
) -> None:
    server, _ = shared_server
    response = send(server.port, message)
    assert response.status == status
    assert response.json()["error"]["code"] == code
    log = server.log.read_text()
    assert response.headers["X-Request-Id"] in log
    assert "secret-of-eve" not in log
    assert "eve@example.com" not in log


def test_a_refused_page_is_html_for_a_browser(shared_server: Shared) -> None:
    server, _ = shared_server
    headers = {"Accept": "text/html,*/*", "Transfer-Encoding": "chunked"}
    response = send(server.port, head("POST", "/sign-in", headers) + b"zz\r\n")
    assert response.status == 400
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"This is not a valid HTTP request." in response.body
