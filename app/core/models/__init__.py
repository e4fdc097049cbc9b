"""The tables of customers and of their changes."""
