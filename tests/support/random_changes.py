"""Random changes of every kind to a few customers, as programs, operators, files and commands make them."""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from flask import Flask
from sqlalchemy import func, select

from app.core.counts.compaction import compact
from app.core.database import db, now
from app.core.history.retention import prune
from app.core.models.change_sets import ChangeSet
from app.core.models.customers import PROFILE_FIELD_NAMES
from app.core.search.filters import Filter
from app.jobs.bulk_edits import BulkEdit
from app.jobs.jobs import create_job
from app.jobs.states import JobKind, JobState
from tests.support.clients import Api
from tests.support.customers import TESTER
from tests.support.imports import run_job

IDS = ("a", "b", "á", "c/d", "0", "00", "x y", "é'")
SEGMENTS = [{"type": type_, "value": value} for type_ in ("m", "n") for value in ("1", "2", "3")]
PREFER_JOB = {"Prefer": "respond-async"}
RECENT = 60
"""Change sets back to which a revert goes: most of what it meets still stands."""


class RandomChanges:
    """Makes changes with a client that has every scope; `counts` says how many of each kind."""

    def __init__(self, app: Flask, api: Api, rng: random.Random, ids: Sequence[str] = IDS) -> None:
        self.app, self.api, self.rng, self.ids = app, api, rng, ids
        self.counts: Counter[str] = Counter()
        self._kinds: list[Callable[[], None]] = [
            *[self.upsert, self.replace] * 3,
            *[self.patch, self.put, self.rename, self.revert] * 2,
            *[self.replace_types, self.set_members, self.rename_segment, self.edit_many],
            *[self.import_by_job, self.import_by_command, self.revert_by_job, self.erase, self.compact],
        ]

    def make_one(self) -> None:
        """Make a change of a random kind; some find nothing to change or are refused."""
        change = self.rng.choice(self._kinds)
        self.counts[change.__name__] += 1
        change()

    def upsert(self) -> None:
        self._send("POST", "/api/v3/customers", {"customers": self._profiles()})

    def put(self) -> None:
        body = {field: self._text() for field in PROFILE_FIELD_NAMES}
        self._send("PUT", self._url(), body | ({"segments": self._segments()} if self.rng.random() < 0.5 else {}))

    def replace(self) -> None:
        self._send("POST", "/api/v3/customers/segments", {"customers": self._replacements()})

    def replace_types(self) -> None:
        rows = [
            row | {"segments": [one for one in row["segments"] if one["type"] == "m"]} for row in self._replacements()
        ]
        self._send("POST", "/api/v3/customers/segments?types=m", {"customers": rows})

    def patch(self) -> None:
        rows = [{"document_id": id_, "add": self._segments(), "remove": self._segments()} for id_ in self._some()]
        self._send("PATCH", "/api/v3/customers/segments", {"customers": rows})

    def set_members(self) -> None:
        self._send("PUT", f"{self._segment_url()}/members", {"document_ids": self._some()})

    def rename(self) -> None:
        body = {"document_id": self.rng.choice(self.ids)}
        self._send("POST", f"{self._url()}/rename", body, expected=(200, 404, 409))

    def rename_segment(self) -> None:
        body = self.rng.choice(SEGMENTS)
        if self._send("POST", f"{self._segment_url()}/rename", body, expected=(202, 400)) == 202:
            assert run_job()

    def edit_many(self) -> None:
        """Edit all customers whom a filter finds, or some, as the pages do."""
        action = self.rng.choice(["add", "remove", "replace", "clear"])
        chosen = (Filter(), ()) if self.rng.random() < 0.3 else (None, tuple(self._some()))
        edit = BulkEdit(action, [] if action == "clear" else SEGMENTS[:2], *chosen, applies=True)
        create_job(JobKind.EDIT, TESTER, edit.to_dict(), JobState.CHECKING)
        assert run_job()
        assert run_job()

    def import_by_job(self) -> None:
        action = self.rng.choice(["replace", "merge", "remove", "upsert"])
        rows = self._profiles() if action == "upsert" else self._replacements()
        self.api.call(
            "POST",
            f"/api/v3/jobs?action={action}",
            data=_json_lines(rows),
            content_type="application/x-ndjson",
            status=202,
        )
        while run_job():
            pass

    def import_by_command(self) -> None:
        rows = [profile | {"segments": self._segments()} for profile in self._profiles()]
        result = self.app.test_cli_runner().invoke(args=["customers", "import", "-"], input=_json_lines(rows))
        assert result.exit_code == 0, result.output

    def revert(self) -> None:
        self._send("POST", self._revert_url(), expected=(200, 404, 409))

    def revert_by_job(self) -> None:
        self._send("POST", self._revert_url(), expected=(202, 404, 409), headers=PREFER_JOB)
        while run_job():
            pass

    def erase(self) -> None:
        self._send("DELETE", self._url(), expected=(200, 404))

    def compact(self) -> None:
        compact()

    def prune(self) -> None:
        """Remove the history until now. Not among the random ones: a follower must have read it."""
        self.counts["prune"] += 1
        prune(now() + timedelta(seconds=1))

    def _send(
        self, method: str, url: str, body: Any = None, expected: tuple[int, ...] = (200,), headers: Any = None
    ) -> int:
        response = self.api.client.open(url, method=method, json=body, headers={**self.api.headers, **(headers or {})})
        assert response.status_code in expected, (method, url, body, response.text)
        return response.status_code

    def _some(self) -> list[str]:
        return self.rng.sample(self.ids, self.rng.randint(1, 4))

    def _text(self) -> str | None:
        return self.rng.choice(["A", "B", None])

    def _profiles(self) -> list[dict[str, Any]]:
        return [{"document_id": id_, self.rng.choice(PROFILE_FIELD_NAMES): self._text()} for id_ in self._some()]

    def _segments(self) -> list[dict[str, str]]:
        return [self.rng.choice(SEGMENTS) for _ in range(self.rng.randint(0, 3))]

    def _replacements(self) -> list[dict[str, Any]]:
        return [{"document_id": id_, "segments": self._segments()} for id_ in self._some()]

    def _url(self) -> str:
        return f"/api/v3/customers/{quote(self.rng.choice(self.ids))}"

    def _segment_url(self) -> str:
        segment = self.rng.choice(SEGMENTS)
        return f"/api/v3/segments/{segment['type']}/{segment['value']}"

    def _revert_url(self) -> str:
        db.session.rollback()
        last = db.session.scalar(select(func.max(ChangeSet.id))) or 1
        return f"/api/v3/change-sets/{self.rng.randint(max(1, last - RECENT), last)}/revert"


def _json_lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
