"""What a request costs, beside the bare SQL statement it cannot do without, in one run."""
