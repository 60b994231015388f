"""Tests of the interactions, on the real SQLite store."""
