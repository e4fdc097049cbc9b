"""Servers that the benchmarks and the tests start: a real PostgreSQL, and the service under gunicorn."""
