"""Tests of structural validation."""
