"""The commands, such as `flask customers import` and `flask segments apply`."""

from flask import Flask

from app.cli.backup import backup, restore
from app.cli.changes import changes
from app.cli.customers import customers
from app.cli.demo import demo
from app.cli.doctor import doctor
from app.cli.operators import operators
from app.cli.quickstart import quickstart
from app.cli.segments import segments
from app.cli.tokens import tokens


def init_app(app: Flask) -> None:
    for command in (customers, segments, changes, tokens, operators, demo, quickstart, backup, restore, doctor):
        app.cli.add_command(command)
