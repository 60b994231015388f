"""The server of the stores on MongoDB is ended with the tests."""

from __future__ import annotations

from tests.noninterference.conftest import _mongo

__all__ = ["_mongo"]
