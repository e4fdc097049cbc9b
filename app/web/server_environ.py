"""Keys of the WSGI environment by which the server (`app.server`) and the application know of each other.

Under another server the keys are absent: the application then reads the body itself and generates request ids.
"""

REQUEST_ID = "customer_segments.request_id"
"""The id of the request, from the server."""

HEADERS_ONLY = "customer_segments.headers_only"
"""True if the application shall only check the headers of a request, because its body is not here yet."""

BODY_LIMIT = "customer_segments.body_limit"
"""Set by the application when it has admitted the headers: the maximum number of bytes of the body."""

CLIENT = "customer_segments.client"
"""The API client that an earlier call with this request authenticated. The request is not counted twice."""

RATE_LIMIT_HEADERS = "customer_segments.rate_limit_headers"
"""From the call that counted the request, for the response."""

CANCELLATION = "customer_segments.cancellation"
"""From the server: its `cancel()` ends the database queries of the request (`app.web.cancellation`)."""

LONG_POLL = "customer_segments.long_poll"
"""From the server: lets a view wait without a thread (`app.web.long_polling`)."""

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
