"""flask alerts …"""

import re

from tests.support.clients import Shell


def alerts(shell: Shell) -> list[str]:
    """Return the list, with R for the moment at which an alert was raised."""
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    return [re.sub(moment, "R", line) for line in shell("alerts", "list").stdout.splitlines()]


def test_alerts_are_set_listed_and_removed(shell: Shell) -> None:
    shell("alerts", "set", "a%3Ab:c:d", "--below", "3", "--change", "20")
    shell("alerts", "set", "--whole-type", "a:b", "--above", "9")
    assert alerts(shell) == ["a:b\tabove\t9\t-", "a%3Ab:c:d\tbelow\t3\tR", "a%3Ab:c:d\tchange\t20\t-"]
    shell("alerts", "set", "a%3Ab:c:d", "--change", "30")
    shell("alerts", "set", "--whole-type", "a:b")
    assert alerts(shell) == ["a%3Ab:c:d\tchange\t30\t-"]


def test_a_type_alone_is_meant_only_if_it_is_said(shell: Shell) -> None:
    assert "--whole-type" in shell("alerts", "set", "membership", "--below", "1", exit_code=2).stderr
    shell("alerts", "set", "a:b", "--below", "0", exit_code=2)
    assert alerts(shell) == []
