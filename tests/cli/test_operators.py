"""flask operators …"""

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import select

from app.access.operators import Operator
from app.core.database import db
from tests.support.clients import Shell
from tests.support.html_client import HtmlClient


def password_hash_of(email: str) -> str:
    db.session.rollback()
    return db.session.scalars(select(Operator.password_hash).where(Operator.email == email)).one()


def test_create_and_set_password(shell: Shell) -> None:
    shell("operators", "create", "Ana@Example.com", "--role", "editor", "--password-stdin", stdin="correct horse\n")
    assert PasswordHasher().verify(password_hash_of("ana@example.com"), "correct horse")
    shell("operators", "set-password", "ana@example.com", "--password-stdin", stdin="battery staple\n")
    assert PasswordHasher().verify(password_hash_of("ana@example.com"), "battery staple")


def test_create_prompts_for_the_password_twice(app: Flask, shell: Shell) -> None:
    shell("operators", "create", "a@b.co", "--role", "admin", stdin="correct horse\ncorrect horse\n")
    assert PasswordHasher().verify(password_hash_of("a@b.co"), "correct horse")


@pytest.mark.parametrize(
    ("args", "stdin"),
    [
        (("create", "a@b.co", "--role", "admin", "--password-stdin"), "short\n"),
        (("create", "a@b.co", "--role", "king", "--password-stdin"), "correct horse\n"),
        (("create", "a@b.co", "--password-stdin"), "correct horse\n"),
        (("create", "Taken@b.co", "--role", "admin", "--password-stdin"), "correct horse\n"),
        (("set-password", "nobody@b.co", "--password-stdin"), "correct horse\n"),
        (("set-password", "taken@b.co", "--password-stdin"), "1q2w3e4r5t\n"),
        (("set-password", "taken@b.co", "--password-stdin"), "passwordpassword\n"),
        (("set-password", "taken@b.co", "--password-stdin"), "Password123!\n"),
        (("set-password", "taken@b.co", "--password-stdin"), "Taken@b.co12\n"),
        (("set-password", "taken@b.co", "--password-stdin"), "aaaaaaaaaaaa\n"),
        (("create", "ａda@b.co", "--role", "admin", "--password-stdin"), "correct horse\n"),
        (("create", "a@b.co\nc@d.co", "--role", "admin", "--password-stdin"), "correct horse\n"),
        (("create", "a@b..co", "--role", "admin", "--password-stdin"), "correct horse\n"),
        (("create", "a\u200b@b.co", "--role", "admin", "--password-stdin"), "correct horse\n"),
        (("create", "x" * 250 + "@b.co", "--role", "admin", "--password-stdin"), "correct horse\n"),
        (("reset-second-factor", "nobody@b.co"), ""),
    ],
)
def test_invalid_arguments_exit_with_2(shell: Shell, args: tuple[str, ...], stdin: str) -> None:
    shell("operators", "create", "taken@b.co", "--role", "viewer", "--password-stdin", stdin="correct horse\n")
    shell("operators", *args, stdin=stdin, exit_code=2)


def test_spaces_around_the_email_are_ignored(app: Flask, shell: Shell) -> None:
    shell("operators", "create", " Ana@b.co ", "--role", "admin", "--password-stdin", stdin="correct horse\n")
    assert password_hash_of("ana@b.co")
    shell("operators", "set-password", " ANA@b.co\n", "--password-stdin", stdin="battery staple\n")
    HtmlClient(app.test_client(), "ana@b.co").sign_in("battery staple")
