"""Tests of bulk work."""
