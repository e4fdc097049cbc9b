"""A Flask app with one empty view: the cost of the server and the framework alone."""

from flask import Flask

app = Flask(__name__)


@app.route("/api/v3/customers/segments", methods=["POST"])
def empty() -> str:
    return ""
