"""Tests of what the commands do to a store without a server."""
