"""Every refusal changes nothing, and has one shape: contract §1."""

import gzip
import io
import json
import tracemalloc
from typing import Any

import pytest
from flask import Flask

from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, all_segments, set_segments

URL = "/api/v3/customers/segments"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def nothing_changes(ana: str) -> Any:
    set_segments(ana, SILVER)
    yield
    assert all_segments() == {ana: SILVER}


def post(api: Api, body: str | bytes, status: int, code: str, **headers: str) -> dict[str, Any]:
    response = api.call("POST", URL, data=body, headers=JSON | headers, status=status, code=code)
    return response.json["error"]  # type: ignore[index, no-any-return]


def body_of(segments: str, document_id: str = '"1232-2323"') -> str:
    return f'{{"customers": [{{"document_id": {document_id}, "segments": {segments}}}]}}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b" ", id="blank"),
        pytest.param(b"customers=1", id="not JSON"),
        pytest.param(body_of("[]").encode()[:-1], id="cut off"),
        pytest.param(body_of("[]").encode() + b"x", id="more after it"),
        pytest.param(b'{"customers": NaN}', id="NaN"),
        pytest.param(body_of("[]", '"\xff"').encode("latin-1"), id="latin-1"),
        pytest.param(body_of("[]").encode("utf-16"), id="utf-16"),
        pytest.param(body_of("[]", r'"\ud8"').encode(), id="half an escape"),
        pytest.param(body_of("[]", '"\ud800"').encode("utf-8", "surrogatepass"), id="a bare lone surrogate"),
        pytest.param(body_of("[]", '"\0"').encode(), id="a bare U+0000"),
        pytest.param(body_of("[]", '"\0\0"').encode(), id="two of them"),
        pytest.param(b"[" * 100_000, id="100,000 brackets"),
        pytest.param(b'{"customers":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="100,000 brackets, closed"),
        pytest.param(b'{"customers": 1%s}' % (b"0" * 5_000), id="a 5,000-digit number"),
    ],
)
def test_refuses_malformed_json(api: Api, body: bytes) -> None:
    post(api, body, 400, "MALFORMED_JSON")


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ("[]", "", "Invalid input type."),
        ("null", "", "Invalid input type."),
        ('"x"', "", "Invalid input type."),
        ("{}", "customers", "Missing data for required field."),
        ('{"customers": null}', "customers", "Field may not be null."),
        ('{"customers": []}', "customers", "Shorter than minimum length 1."),
        ('{"customers": {}}', "customers", "Not a valid list."),
        ('{"customers": "abc"}', "customers", "Not a valid list."),
        ('{"customers": [null]}', "customers[0]", "Invalid input type."),
        ('{"customers": [[]]}', "customers[0]", "Invalid input type."),
        ('{"customers": [{"segments": []}]}', "customers[0].document_id", "Missing data for required field."),
        (body_of("[]", "1"), "customers[0].document_id", "Not a valid string."),
        (body_of("[]", "null"), "customers[0].document_id", "Field may not be null."),
        (body_of("[]", '"\\u0000"'), "customers[0].document_id", "U+0000 and lone surrogates cannot be stored."),
        ('{"customers": [{"document_id": "x"}]}', "customers[0].segments", "Missing data for required field."),
        (body_of('""'), "customers[0].segments", "Not a valid list."),
        (body_of("false"), "customers[0].segments", "Not a valid list."),
        (body_of("0"), "customers[0].segments", "Not a valid list."),
        (body_of("{}"), "customers[0].segments", "Not a valid list."),
        (body_of("[null]"), "customers[0].segments[0]", "Invalid input type."),
        (body_of('["GOLD"]'), "customers[0].segments[0]", "Invalid input type."),
        (body_of('[{"value": "x"}]'), "customers[0].segments[0].type", "Missing data for required field."),
        (body_of('[{"type": "x"}]'), "customers[0].segments[0].value", "Missing data for required field."),
        (body_of('[{"type": "x", "value": null}]'), "customers[0].segments[0].value", "Field may not be null."),
        (
            body_of('[{"type": "x", "value": 18446744073709551616}]'),
            "customers[0].segments[0].value",
            "Not a valid string.",
        ),
        (body_of('[{"type": "x", "value": true}]'), "customers[0].segments[0].value", "Not a valid string."),
        (body_of('[{"type": ["x"], "value": "x"}]'), "customers[0].segments[0].type", "Not a valid string."),
        (
            body_of('[{"type": "x", "value": "a\\u0000"}]'),
            "customers[0].segments[0].value",
            "U+0000 and lone surrogates cannot be stored.",
        ),
    ],
)
def test_refuses_the_wrong_shape(api: Api, body: str, path: str, message: str) -> None:
    error = post(api, body, 400, "VALIDATION_ERROR")
    assert error["details"] == [{"path": path, "message": message}]
    assert error["message"] == "1 problem in the request body."


@pytest.mark.parametrize(
    "text", [r"\ud800", r"\uDFFF", r"x\ud83dx", r"\ud83d\ud83d\ude00", r"\\\ud800", r"\n\udc00\ud800"]
)
@pytest.mark.parametrize("where", ["customers[0].document_id", "customers[0].segments[0].type"])
def test_refuses_lone_surrogates(api: Api, where: str, text: str) -> None:
    body = body_of("[]", f'"{text}"') if "document_id" in where else body_of(f'[{{"type": "{text}", "value": ""}}]')
    error = post(api, body, 400, "VALIDATION_ERROR")
    assert error["details"] == [{"path": where, "message": "U+0000 and lone surrogates cannot be stored."}]


def test_undeclared_members_may_be_any_json(api: Api) -> None:
    row = r'{"document_id": "\\ud800 \ud83d\ude00", "segments": null, "note": "\u0000\udfff"}'
    body = rf'{{"\ud800": 1, "customers": [{row}]}}'
    assert api.call("POST", URL, data=body, headers=JSON).json == {"updatedCustomers": []}


def test_one_invalid_entry_refuses_the_request(api: Api, ana: str) -> None:
    entries = [{"document_id": ana, "segments": GOLD}, {"document_id": ana, "segments": [{"type": "x"}]}]
    details = api.replace(entries, status=400, code="VALIDATION_ERROR").json["error"]["details"]
    assert [detail["path"] for detail in details] == ["customers[1].segments[0].value"]


def test_reports_all_problems_up_to_a_hundred(api: Api) -> None:
    error = api.replace([{}] * 150, status=400, code="VALIDATION_ERROR").json["error"]
    assert error["message"] == "300 problems in the request body."
    assert len(error["details"]) == 100
    assert error["details"][99] == {"path": "customers[49].segments", "message": "Missing data for required field."}


def test_stops_counting_problems_at_the_limit(api: Api) -> None:
    segments: list[Any] = [{}] * 20_000
    error = api.replace([{"document_id": "x", "segments": segments}], status=400, code="VALIDATION_ERROR").json["error"]
    assert error["message"] == "More than 10000 problems in the request body."


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Content-Type": "text/plain"}, id="text"),
        pytest.param({"Content-Type": "application/x-www-form-urlencoded"}, id="form"),
        pytest.param({"Content-Type": "application/jsonp"}, id="nearly JSON"),
        pytest.param({"Content-Type": ""}, id="none"),
        pytest.param({"Content-Type": "application/json; charset=latin-1"}, id="wrong charset"),
        pytest.param({"Content-Type": "application/json; charset=utf-16"}, id="another wrong charset"),
        pytest.param({"Content-Encoding": "br"}, id="unknown encoding"),
        pytest.param({"Content-Encoding": "gzip, gzip"}, id="gzip twice"),
    ],
)
def test_refuses_other_media_types(api: Api, headers: dict[str, str]) -> None:
    post(api, body_of("[]"), 415, "UNSUPPORTED_MEDIA_TYPE", **headers)


@pytest.mark.parametrize(
    "body",
    [body_of("[]").encode(), gzip.compress(body_of("[]").encode())[:-9], b"\x1f\x8b"],
    ids=["not gzip", "cut off", "only its first bytes"],
)
def test_refuses_broken_gzip(api: Api, body: bytes) -> None:
    post(api, body, 400, "MALFORMED_JSON", **{"Content-Encoding": "gzip"})


def test_refuses_a_gzip_bomb(api: Api) -> None:
    bomb = gzip.compress(b" " * 200_000_000)
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    error = post(api, bomb, 413, "TOO_LARGE", **{"Content-Encoding": "gzip"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "33554432" in error["message"]
    assert peak < 100_000_000


def test_refuses_very_many_tiny_gzips_in_a_row(api: Api) -> None:
    """Each is nothing, and all of them together must not take long either."""
    post(api, gzip.compress(b"") * 200_000, 400, "MALFORMED_JSON", **{"Content-Encoding": "gzip"})


def test_refuses_a_body_over_the_limit(api: Api) -> None:
    error = post(api, body_of("[]") + " " * 33_554_432, 413, "TOO_LARGE")
    assert "33554432" in error["message"]


def test_refuses_a_chunked_body_over_the_limit(api: Api) -> None:
    stream = io.BytesIO(body_of("[]").encode() + b" " * 40_000_000)
    chunked = {"wsgi.input_terminated": True}
    response = api.call(
        "POST", URL, input_stream=stream, environ_overrides=chunked, headers=JSON, status=413, code="TOO_LARGE"
    )
    assert "33554432" in response.text


def test_refuses_too_many_customers(api: Api) -> None:
    error = api.replace([{"document_id": "1232-2323", "segments": []}] * 50_001, status=413, code="TOO_LARGE")
    assert "50000" in error.json["error"]["message"]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic YTpi",
        "cs_x",
        "Bearer a b",
        "Bearer \xff",
        "Bearer " + "x" * 5_000,
    ],
)
def test_refuses_callers_without_a_valid_token(api: Api, header: str) -> None:
    api.headers = {"Authorization": header}
    response = api.replace([{"document_id": "1232-2323", "segments": GOLD}], status=401, code="UNAUTHENTICATED")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_token_is_checked_before_the_body_is_read(api: Api) -> None:
    api.headers = {}
    post(api, b"[" * 100_000, 401, "UNAUTHENTICATED")


@pytest.mark.parametrize("url", ["/api", "/api/", "/api/v3", "/api/nothing", "/api/v3/customers/segments/", "/api//v3"])
def test_unknown_urls_answer_json(api: Api, url: str) -> None:
    api.get(url, status=404, code="NOT_FOUND")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_other_methods_answer_json(api: Api, method: str) -> None:
    response = api.call(method, URL, status=405, code="METHOD_NOT_ALLOWED")
    assert "POST" in response.headers["Allow"]


def test_a_fault_of_ours_names_the_request_and_nothing_else(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("secret: 1232-2323")

    monkeypatch.setattr("app.api.segments.replace_segments", broken)
    response = api.replace(
        [{"document_id": "1232-2323", "segments": GOLD}], status=500, code="INTERNAL", headers={"X-Request-Id": "abc-1"}
    )
    assert response.json["error"]["message"] == "Something went wrong on our side. Request id: abc-1"


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("?dry_run=maybe", "dry_run"),
        ("?as_of=yesterday", "as_of"),
        ("?as_of=2026-01-01", "as_of"),
        ("?as_of=2026-01-01T00:00:00", "as_of"),
        ("?as_of=2026-01-01T00:00Z", "as_of"),
        ("?as_of=2026-W01-1T00:00:00Z", "as_of"),
        ("?as_of=2026-02-30T00:00:00Z", "as_of"),
        ("?as_of=2026-01-01T00:00:00Z%00", "as_of"),
        ("?as_of=0001-01-01T00:00:00%2B01:00", "as_of"),
        ("?as_of=9999-12-31T23:59:59-01:00", "as_of"),
    ],
)
def test_invalid_query_is_400_with_its_path(api: Api, query: str, path: str) -> None:
    error = api.replace([{"document_id": "1232-2323", "segments": GOLD}], query, status=400, code="VALIDATION_ERROR")
    assert error.json["error"]["details"][0]["path"] == path


@pytest.mark.parametrize("request_id", ["sane-1.2:3", "x" * 128])
def test_the_callers_request_id_comes_back(api: Api, request_id: str) -> None:
    assert (
        api.get(URL, status=405, code="METHOD_NOT_ALLOWED", headers={"X-Request-Id": request_id}).headers[
            "X-Request-Id"
        ]
        == request_id
    )


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "<script>", "é"])
def test_an_odd_request_id_is_replaced(api: Api, request_id: str) -> None:
    response = api.get(URL, status=405, code="METHOD_NOT_ALLOWED", headers={"X-Request-Id": request_id})
    assert response.headers["X-Request-Id"] != request_id


def test_repeated_keys_are_one(api: Api, ana: str) -> None:
    """JSON leaves open which of two equal keys counts; the last does here, as in every common parser."""
    body = '{"customers": [], "customers": [{"document_id": "nobody", "segments": []}]}'
    response = api.call("POST", URL, data=body, headers=JSON)
    assert response.json == json.loads('{"updatedCustomers": []}')
