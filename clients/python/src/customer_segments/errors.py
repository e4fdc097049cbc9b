"""Errors of the API."""

from typing import Any

import httpx


class ApiError(Exception):
    """The API refused a request. Nothing was changed."""

    def __init__(self, status: int, code: str, message: str, details: list[dict[str, str]], request_id: str) -> None:
        super().__init__(f"{status} {code}: {message} (request {request_id})")
        self.status, self.code, self.message = status, code, message
        self.details, self.request_id = details, request_id

    @classmethod
    def from_response(cls, response: httpx.Response) -> "ApiError":
        """Read the error of a response, also of one that a proxy wrote."""
        request_id = response.headers.get("X-Request-Id", "")
        try:
            error: dict[str, Any] = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            return cls(response.status_code, "UNKNOWN", response.text[:200], [], request_id)
        return cls(response.status_code, error["code"], error["message"], error["details"], request_id)


class JobFailed(Exception):
    """A job failed or was cancelled. What it applied before is in its change set."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(f"Job {job['id']}: {job['error'] or job['state']}")
        self.job = job


class InvalidSignature(Exception):
    """A request to a webhook is not, or no longer, a message signed with its secret."""
