"""Refusals of large bodies reach the clients that people use; `python -m tests.support.refused_bodies` repeats it."""

from collections.abc import Iterator

import pytest

from bench.servers.gunicorn import Server
from tests.support.refused_bodies import CASES, CLIENTS, SIZES, Case, refuse, services


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[int, Server], str]]:
    with services(tmp_path_factory.mktemp("services")) as found:
        yield found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.refusal[1])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_refusal_reaches_the_client(
    running: tuple[dict[int, Server], str], client: str, case: Case, size: int
) -> None:
    assert refuse(*running, case, client, size, times=1) == {case.refusal: 1}
