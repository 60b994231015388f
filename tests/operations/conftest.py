"""The calls that interactions are given, for operations."""

from __future__ import annotations

from tests.interactions.conftest import call, definitions, extractor, validator

__all__ = ["call", "definitions", "extractor", "validator"]
