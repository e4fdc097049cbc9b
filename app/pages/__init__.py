"""The HTML pages, for operators."""

from flask import Blueprint, render_template

from app.core.customers import any_customer

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def home() -> str:
    return render_template("home.html", any_customer=any_customer())
