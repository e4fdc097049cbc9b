"""Conditional GET: what a caller has already is not sent again (RFC 9110, 13.1.2)."""

from flask import Response, request


def apply_etag(response: Response) -> Response:
    """Give what was asked for an ETag, and answer 304 if that is what the caller has: of whatever it can GET.

    The ETag is weak: it names what is said, not its bytes, which are others when they are gzipped. Whoever keeps an
    answer has to ask each time whether it still holds.
    """
    if request.method not in ("GET", "HEAD") or response.status_code != 200 or response.is_streamed:
        return response
    response.add_etag(weak=True)
    response.headers.setdefault("Cache-Control", "private, no-cache")
    if request.if_none_match.contains_weak(str(response.get_etag()[0])):
        response.status_code = 304
        response.set_data(b"")
        del response.headers["Content-Type"]
    return response
