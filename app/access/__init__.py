"""Access: operators and their sessions, API tokens, and the log of the requests of each token."""
