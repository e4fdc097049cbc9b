"""Telling others of change sets over HTTP: to which addresses, signed how, when, and what became of it."""
