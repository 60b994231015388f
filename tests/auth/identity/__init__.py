"""Tests of sign-in by identity providers elsewhere."""
