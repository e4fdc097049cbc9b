"""A Flask app with one empty view: what the server and the framework cost by themselves."""

from flask import Flask

app = Flask(__name__)


@app.route("/api/v3/customers/segments", methods=["POST"])
def empty() -> str:
    return ""
