"""The HTTP server: a gunicorn worker that reads requests under deadlines before a thread of the application is used."""
