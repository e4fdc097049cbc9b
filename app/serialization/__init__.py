"""How requests are parsed and how segments, change sets and times are written, for the API, the pages and the CLI."""
