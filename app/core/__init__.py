"""What the product does, whoever asks: customers, the one function that replaces their segments, and the record of it.

The faces (api, pages, cli) call this package; it knows nothing of HTTP or HTML, and is told by an `Actor` who asks.
"""
