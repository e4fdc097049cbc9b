"""The client: one method per operation, and loops over pages, batches and the change feed."""

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from customer_segments.alerts import Alerts
from customer_segments.errors import JobFailed
from customer_segments.models import BatchTotals, MembersResult, Page, ReplaceResult, Segment
from customer_segments.transport import Transport
from customer_segments.webhooks import Webhooks

SEGMENTS = "/api/v3/customers/segments"
BATCH_SIZE = 10_000
MIN_POLL_INTERVAL_S = 1.0

Row = tuple[str, Sequence[Segment]]
"""A customer's document_id and their new segments."""


class Client:
    """A connection to one service with one token. Use it as a context manager, or call `close`."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout: float = 120,
        max_attempts: int = 8,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}", "User-Agent": "customer-segments-python"}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout, transport=transport)
        self._transport, self._timeout = Transport(self._http, max_attempts), timeout
        self.alerts, self.webhooks = Alerts(self._transport), Webhooks(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # Writing segments

    def replace_segments(  # noqa: PLR0913 - the options are keywords
        self,
        customers: Mapping[str, Iterable[Segment]],
        *,
        dry_run: bool = False,
        as_of: datetime | str | None = None,
        report: bool = False,
        override_guard: bool = False,
        idempotency_key: str | None = None,
    ) -> ReplaceResult:
        """Replace all segments of each customer in one request. An empty list removes all of them.

        Customers who do not exist are not created. `as_of`, a time with zone or a change cursor, skips customers
        changed after it. Raises ApiError, for example with code CHANGE_TOO_LARGE if the token has a guard.
        """
        body = [{"document_id": id_, "segments": _to_json(segments)} for id_, segments in customers.items()]
        params = {"dry_run": _flag(dry_run), "report": _flag(report), "as_of": _time(as_of)}
        headers = {"Guard": "override"} if override_guard else {}
        return self._write_segments("POST", body, params, headers, idempotency_key)

    def replace_in_batches(
        self, rows: Iterable[Row], *, run: str, batch_size: int = BATCH_SIZE, as_of: datetime | str | None = None
    ) -> BatchTotals:
        """Replace the segments of any number of customers, `batch_size` per request.

        `run` names this run, such as the date of a nightly job. The same run with the same rows, repeated within 24
        hours, continues where it was interrupted, because each batch has its own Idempotency-Key.
        """
        totals, iterator, number = BatchTotals(), iter(rows), 0
        while batch := dict(islice(iterator, batch_size)):
            result = self.replace_segments(batch, as_of=as_of, report=True, idempotency_key=f"{run}-{number}")
            totals.add(len(batch), result.report or {})
            number += 1
        return totals

    def patch_segments(
        self,
        *,
        add: Mapping[str, Iterable[Segment]] | None = None,
        remove: Mapping[str, Iterable[Segment]] | None = None,
        dry_run: bool = False,
        report: bool = False,
    ) -> ReplaceResult:
        """Add and remove segments of customers, and keep their other segments."""
        added, removed = add or {}, remove or {}
        body = [
            {"document_id": id_, "add": _to_json(added.get(id_, ())), "remove": _to_json(removed.get(id_, ()))}
            for id_ in dict.fromkeys([*added, *removed])
        ]
        return self._write_segments("PATCH", body, {"dry_run": _flag(dry_run), "report": _flag(report)}, {}, None)

    def set_members(
        self,
        segment: Segment,
        document_ids: Iterable[str],
        *,
        dry_run: bool = False,
        override_guard: bool = False,
        idempotency_key: str | None = None,
    ) -> MembersResult:
        """Set the members of a segment: exactly these customers have it afterwards, all others lose it.

        Many changes are a job; the call returns when it has ended. Raises ApiError, for example with code
        CHANGE_TOO_LARGE if the token has a guard, and JobFailed.
        """
        path = f"/api/v3/segments/{_path_part(segment.type)}/{_path_part(segment.value)}/members"
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        if override_guard:
            headers["Guard"] = "override"
        params, body = {"dry_run": _flag(dry_run)}, {"document_ids": list(document_ids)}
        response = self._transport.send("PUT", path, params=params, json=body, headers=headers)
        content = response.json()
        if response.status_code == 202:
            job = self.wait_for_job(content["id"])
            content = {**job["report"], "changeSet": job["changeSet"]}
        added, removed, unchanged = (content[name] for name in ("added", "removed", "unchanged"))
        return MembersResult(added, removed, unchanged, content["notFound"], content["changeSet"])

    def rename_segment(self, old: Segment, new: Segment, *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Rename a segment, or merge it into another one; return the job when it has ended. Raises JobFailed."""
        path = f"/api/v3/segments/{_path_part(old.type)}/{_path_part(old.value)}/rename"
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        return self.wait_for_job(self._transport.send("POST", path, json=new._asdict(), headers=headers).json()["id"])

    def submit_job(  # noqa: PLR0913 - the options are keywords
        self,
        action: str,
        file: Path,
        *,
        media_type: str = "application/x-ndjson",
        dry_run: bool = False,
        apply_at: datetime | str | None = None,
        revert_at: datetime | str | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Send a file of any size to be applied in the background, and return the job.

        `action` is replace, merge, remove or upsert; a file of rows is text/csv. It is applied at `apply_at`, and
        its change set is reverted at `revert_at`, if they are given. See `wait_for_job`.
        """
        headers = {"Content-Type": media_type, "Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        moments = {"apply_at": _time(apply_at), "revert_at": _time(revert_at)}
        params = {"action": action, "dry_run": _flag(dry_run), **moments}
        content: dict[str, Any] = self._transport.send(
            "POST", "/api/v3/jobs", params=params, headers=headers, file=file
        ).json()
        return content

    def get_job(self, job: str) -> dict[str, Any]:
        """Return a job: its state, progress, report and change set."""
        content: dict[str, Any] = self._transport.send("GET", f"/api/v3/jobs/{quote(job)}").json()
        return content

    def wait_for_job(self, job: str, *, interval: float = 1) -> dict[str, Any]:
        """Return a job when it is done. Raises JobFailed if it failed or was cancelled."""
        while (content := self.get_job(job))["state"] in ("checking", "scheduled", "applying"):
            time.sleep(interval)
        if content["state"] != "done":
            raise JobFailed(content)
        return content

    def _write_segments(
        self, method: str, body: list[Any], params: dict[str, Any], headers: dict[str, str], key: str | None
    ) -> ReplaceResult:
        headers = {**headers, "Idempotency-Key": key or uuid.uuid4().hex}
        response = self._transport.send(method, SEGMENTS, params=params, json={"customers": body}, headers=headers)
        content = response.json()
        return ReplaceResult(content["updatedCustomers"], response.headers.get("Change-Set"), content.get("report"))

    # Customers and segments

    def upsert_customers(self, profiles: Mapping[str, Mapping[str, str | None]]) -> dict[str, int]:
        """Create customers or update their profiles, `{document_id: {"name", "email", "phone"}}`; count them."""
        body = {"customers": [{"document_id": id_, **profile} for id_, profile in profiles.items()]}
        # Doing it twice has the same result, so it needs no key.
        counts: dict[str, int] = self._transport.send("POST", "/api/v3/customers", json=body).json()
        return counts

    def get_segments(self, *, document_id: str | None = None, email: str | None = None) -> list[Segment]:
        """Return the segments of one customer, by document_id or by e-mail. Raises ApiError (404, 409)."""
        params = {"document_id": document_id, "email": email}
        response = self._transport.send("GET", "/api/customers/segments", params=params)
        return [Segment(row["type"], row["value"]) for row in response.json()["segments"]]

    def iter_customers(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield customers; `filters` are those of the API: q, segment, without, has."""
        return self._iter_pages("/api/v3/customers", "customers", filters)

    def iter_segments(self, type: str | None = None) -> Iterator[tuple[Segment, int]]:
        """Yield each segment of the catalogue with its number of customers."""
        for row in self._iter_pages("/api/v3/segments", "segments", {"type": type}):
            yield Segment(row["type"], row["value"]), row["customers"]

    def iter_members(self, segment: Segment, *, at: datetime | str | None = None) -> Iterator[str]:
        """Yield the document_ids of the members of a segment; now, or at a time with zone. Raises ApiError (410)."""
        path = f"/api/v3/segments/{_path_part(segment.type)}/{_path_part(segment.value)}/members"
        return self._iter_pages(path, "document_ids", {"at": _time(at)})

    def _iter_pages(self, path: str, name: str, filters: Mapping[str, Any]) -> Iterator[Any]:
        cursor = None
        while True:
            page = self._transport.send("GET", path, params={**filters, "limit": 1000, "cursor": cursor}).json()
            yield from page[name]
            cursor = page["next"]
            if cursor is None:
                return

    # Changes

    def get_change_set(self, change_set: str) -> dict[str, Any]:
        content: dict[str, Any] = self._transport.send("GET", f"/api/v3/change-sets/{quote(change_set)}").json()
        return content

    def revert(self, change_set: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Revert a change set, or preview it, and return the report.

        A large one is a job; the call returns when it has ended. Raises JobFailed.
        """
        path, key = f"/api/v3/change-sets/{quote(change_set)}/revert", {"Idempotency-Key": uuid.uuid4().hex}
        response = self._transport.send("POST", path, params={"dry_run": _flag(dry_run)}, headers=key)
        content: dict[str, Any] = response.json()
        if response.status_code == 202:
            job = self.wait_for_job(content["id"])
            return {**job["report"], "changeSet": job["changeSet"]}
        return content

    def read_changes(self, after: str | None = None, *, limit: int = 1000, wait: int = 0, **filters: Any) -> Page:
        """Return the next entries of the change feed; if there are none, wait for them, up to `wait` seconds.

        `filters` are those of the API: kind, document_id, type. Raises ApiError 410 for a cursor that is no longer
        valid.
        """
        params = {**filters, "after": after, "limit": limit, "wait": wait or None}
        timeout = self._timeout + wait
        page = self._transport.send("GET", "/api/v3/changes", params=params, timeout=timeout).json()
        return Page(page["changes"], page["next"])

    def iter_changes(self, after: str | None = None) -> Iterator[Page]:
        """Yield pages of the change feed until its present end. Keep `page.cursor` after handling each page."""
        while True:
            page = self.read_changes(after)
            if not page.entries:
                return
            yield page
            after = page.cursor

    def follow(self, after: str | None = None, *, wait: int = 30, **filters: Any) -> Iterator[Page]:
        """Yield pages of the change feed without end, each as soon as there are changes. Keep `page.cursor`.

        The service lets each request wait for changes, up to `wait` seconds (60 at most).
        """
        while True:
            started = time.monotonic()
            page = self.read_changes(after, wait=wait, **filters)
            after = page.cursor
            if page.entries:
                yield page
            elif time.monotonic() - started < MIN_POLL_INTERVAL_S:  # a service that is about to stop does not wait
                time.sleep(MIN_POLL_INTERVAL_S)


def _to_json(segments: Iterable[Segment]) -> list[dict[str, str]]:
    return [{"type": type_, "value": value} for type_, value in segments]


def _path_part(text: str) -> str:
    """Return a type or value for a URL, encoded once more where it has slashes, percent signs or dots only."""
    encoded = text.replace("%", "%25").replace("/", "%2F") or "%"
    return quote(encoded.replace(".", "%2E") if encoded in (".", "..") else encoded, safe="")


def _flag(value: bool) -> str | None:
    return "true" if value else None


def _time(value: datetime | str | None) -> str | None:
    """Return a time as RFC 3339. Raises ValueError for one without a zone."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError("a time needs a time zone")
    return value.isoformat()
