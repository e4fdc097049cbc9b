"""Conditional GET: an answer that the caller has already is not sent again (RFC 9110, 13.1.2)."""

from flask import Response, request


def apply_etag(response: Response) -> Response:
    """Add an ETag to the answer of a GET, or answer 304 if the caller has it already.

    The ETag is weak: it identifies the content, whose bytes differ when they are compressed. A cache has to ask each
    time whether its copy is still valid.
    """
    if request.method not in ("GET", "HEAD") or response.status_code != 200 or response.is_streamed:
        return response
    response.add_etag(weak=True)
    response.headers.setdefault("Cache-Control", "private, no-cache")
    response.vary.add("Accept-Encoding")  # of a 304, too, as of the 200 that it stands for
    if request.if_none_match.contains_weak(str(response.get_etag()[0])):
        response.status_code = 304
        response.set_data(b"")
        del response.headers["Content-Type"]
    return response
