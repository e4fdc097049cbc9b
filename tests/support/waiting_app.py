"""The service with two more URLs: /wait answers when a value changes, and /change changes it."""

from flask import request

from app.web.long_polling import wait_for_change
from wsgi import app

_value = [0]


@app.get("/wait")
def wait() -> str:
    seen = int(request.args["seen"])
    if _value[0] == seen:
        wait_for_change("value", lambda: _value[0], seen, float(request.args["seconds"]))
    return str(_value[0])


@app.get("/change")
def change() -> str:
    _value[0] += 1
    return str(_value[0])
