"""Every parser refuses mutated input, or parses it: a sample of what `python -m tests.torture.fuzz` runs at length."""

import pytest

from tests.torture.fuzz import TARGETS, application, run


@pytest.mark.parametrize("name", TARGETS)
def test_parser_survives_mutated_input(name: str) -> None:
    with application().test_request_context("/"):
        assert run([name], inputs=2_000, seed=1) == []
