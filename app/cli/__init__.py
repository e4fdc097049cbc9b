"""The commands, such as `flask customers import` and `flask segments apply`."""

from collections.abc import Callable

from flask import Flask

from app.cli.alerts import alerts
from app.cli.backup import backup, restore
from app.cli.changes import changes
from app.cli.customers import customers
from app.cli.database import FACTORY
from app.cli.demo import demo
from app.cli.doctor import doctor
from app.cli.jobs import jobs
from app.cli.operators import operators
from app.cli.quickstart import quickstart
from app.cli.segments import segments
from app.cli.tokens import tokens


def init_app(app: Flask, factory: Callable[..., Flask]) -> None:
    """Register the commands; `factory` makes an application for another database."""
    app.extensions[FACTORY] = factory
    for command in (
        customers,
        segments,
        alerts,
        changes,
        jobs,
        tokens,
        operators,
        demo,
        quickstart,
        backup,
        restore,
        doctor,
    ):
        app.cli.add_command(command)
