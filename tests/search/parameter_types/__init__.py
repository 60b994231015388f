"""Tests of the types of search parameters."""
