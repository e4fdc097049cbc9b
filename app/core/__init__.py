"""The core: customers, the one function that replaces their segments, and the history of all changes.

The interfaces (api, pages, cli) call this package. It knows nothing of HTTP or HTML; an `Actor` says who acts.
"""
