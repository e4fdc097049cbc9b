"""Who may use the service: operators and their sessions, API tokens, and what each request with a token did."""
