"""SMART apps and people in a real browser, against a running server."""
