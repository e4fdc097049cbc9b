"""Requests generated from the API's own description; each answer is checked against it.

`python -m tests.support.generated_requests [--database sqlite]` sends 10,000 of them to gunicorn, on a new database.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any

import flask_migrate
import hypothesis
from flask import Flask
from hypothesis.strategies import SearchStrategy
from schemathesis import BaseSchema, Case, GenerationMode, checks, openapi
from schemathesis.generation.stateful.state_machine import APIStateMachine

from app import create_app
from app.access.api_tokens import SCOPES, create_token
from app.api.examples import GOLD
from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import replace_segments
from app.core.database import db, run_in_transaction
from bench.servers import postgresql
from bench.servers.gunicorn import serving
from tests.support.api_jobs import add_applying_job
from tests.support.customers import TESTER
from tests.support.webhooks import add_webhook

DESCRIPTION = "/api/v3/openapi.json"
CHECKS = [  # not that every undeclared parameter is refused: the documented operation ignores some
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
]
FEW = 10
"""Requests of each kind to each operation, where it has to be quick."""
STEPS = 6
TIMEOUT_S = 300
MAX_WAIT_S = 2

IDS = ("1232-2323", "0", "/", "..", "é", " ")


def fill() -> str:
    """Some customers, so that some requests find one, and 42 change sets. Return a token with every scope."""
    rows = [{"document_id": id_, "name": f"Ana {id_}", "email": f"{n}@example.com"} for n, id_ in enumerate(IDS)]
    run_in_transaction(lambda session: upsert_customers(session, rows))
    for n in range(42):
        replace_segments({id_: [GOLD, {"type": "n", "value": str(n)}] for id_ in IDS}, TESTER)
    add_applying_job(7)
    add_webhook("https://example.com/hook")
    return create_token("generated", SCOPES)


@cache
def in_process(app: Flask) -> BaseSchema:
    return openapi.from_wsgi(DESCRIPTION, app)


def shorten_wait(case: Case) -> None:
    """Let a request wait for changes for a moment only."""
    wait = str((case.query or {}).get("wait", ""))
    if wait.isdecimal() and int(wait) > MAX_WAIT_S and len(wait) < 3:
        case.query["wait"] = MAX_WAIT_S


class Caller:
    """Sends cases, holds their answers against the description, and counts them by operation and status."""

    def __init__(self, token: str) -> None:
        # Not compressed: in process, no client decompresses it.
        self.headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        self.answered: Counter[tuple[str, int]] = Counter()
        self.options: dict[str, Any] = {}

    def send(self, case: Case) -> None:
        shorten_wait(case)
        result = case.call_and_validate(headers=self.headers, checks=CHECKS, **self.options)
        self.answered[case.operation.label, result.status_code] += 1

    def send_all(self, schema: BaseSchema, each: int) -> None:
        """To every operation, `each` cases as described and as many that are not."""
        for operation in operations(schema):
            for mode in GenerationMode:
                self.send_generated(operation, mode, each)

    def send_generated(self, operation: Any, mode: GenerationMode, limit: int) -> None:
        try:
            self.send_out_of(operation.as_strategy(generation_mode=mode), limit)
        except hypothesis.errors.Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, "every operation has valid requests"

    def send_examples(self, schema: BaseSchema) -> None:
        """Send the examples of the description, which generated requests hardly ever hit.

        The customer of the examples is renamed and erased last.
        """
        for operation in sorted(
            operations(schema), key=lambda found: (found.method == "delete", "rename" in found.path)
        ):
            for example in operation.get_strategies_from_examples():
                self.send_out_of(example, 1)

    def send_out_of(self, cases: SearchStrategy[Case], limit: int) -> None:
        @settings(limit)
        @hypothesis.given(cases)
        def test(case: Case) -> None:
            self.send(case)

        test()

    def follow_links(self, schema: BaseSchema, scenarios: int, first_seed: int = 0) -> None:
        """Follow links, a few in a row: requests with values of the answers before."""
        caller = self

        class Scenario(schema.as_state_machine()):  # type: ignore[misc]
            def before_call(self, case: Case) -> None:
                shorten_wait(case)

            def get_call_kwargs(self, case: Case) -> dict[str, Any]:
                return {"headers": caller.headers, **caller.options}

            def validate_response(self, response: Any, case: Case, **kwargs: Any) -> None:
                case.validate_response(response, checks=CHECKS, headers=caller.headers)
                caller.answered[case.operation.label, response.status_code] += 1

        for seed in range(first_seed, first_seed + scenarios, FEW):
            machine: type[APIStateMachine] = hypothesis.seed(seed)(Scenario)
            # The links to follow depend on the answers, which are not always the same: then take the next seed.
            with suppress(hypothesis.errors.FlakyStrategyDefinition):
                machine.run(settings=settings(min(FEW, scenarios), stateful_step_count=STEPS))


def settings(examples: int, **more: Any) -> hypothesis.settings:
    """Return settings for a fixed number of requests, always the same ones."""
    return hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
        **more,
    )


def operations(schema: BaseSchema) -> Iterator[Any]:
    for found in schema.get_all_operations():
        yield found.ok()


def never_accepted(caller: Caller, schema: BaseSchema) -> set[str]:
    """Return the operations without a response below 300, whose results were not checked."""
    return {operation.label for operation in operations(schema)} - {
        label for label, status in caller.answered if status < 300
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.generated_requests")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    options = parser.parse_args()
    cases, started = options.cases, time.monotonic()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        is_sqlite = options.database == "sqlite"
        url = f"sqlite:///{folder}/test.db" if is_sqlite else stack.enter_context(postgresql.running())
        environ = {"DATABASE_URL": url, "SECRET_KEY": "only-for-tests-0123456789", "LOG_FORMAT": "json"}
        app = create_app(environ)
        with app.app_context():
            flask_migrate.upgrade()
            caller = Caller(fill())
            db.engine.dispose()
        with serving(environ, Path(folder) / "log") as server:
            schema = openapi.from_url(server.address + DESCRIPTION)
            caller.options = {"timeout": TIMEOUT_S}
            caller.send_examples(schema)
            caller.follow_links(schema, cases // 10 // STEPS)
            print(f"{caller.answered.total():,} of them made of examples and answers")
            kinds = 2 * sum(1 for _ in operations(schema))
            while (left := cases - caller.answered.total()) > 0:
                caller.send_all(schema, max(1, left // kinds))
    print_answers(caller.answered, time.monotonic() - started)
    # The host of the example is not resolved where there is no network.
    assert never_accepted(caller, schema) <= {"POST /api/v3/webhooks"}


def print_answers(answered: Counter[tuple[str, int]], seconds: float) -> None:
    for (operation, status), times in sorted(answered.items()):
        print(f"{operation:52} {status} {times:6,}")
    print(f"{answered.total():,} requests in {seconds:.0f} s: every answer as described")


if __name__ == "__main__":
    main()
