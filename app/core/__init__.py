"""What the product does, whoever asks: customers, the one function that replaces their segments, and the record of it.

The interfaces (api, pages, cli) call this package. It knows nothing of HTTP or HTML; an `Actor` says who acts.
"""
