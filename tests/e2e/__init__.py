"""Tests from outside: real clients, crashes, races and bad input against real processes."""
