"""gunicorn settings equal to our gunicorn.conf.py: the same workers, and less frequent garbage collection."""

import gc

worker_class = "gthread"
threads = 4
timeout = 60
keepalive = 15
accesslog = None
loglevel = "warning"
control_socket_disable = True


def post_worker_init(worker: object) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
