"""The built-in authorization server."""
