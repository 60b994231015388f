"""Stores of each backend for what is kept of members."""

from tests.storage.conftest import _drop_databases, _mongo, pytest_collection_modifyitems, store

__all__ = ["_drop_databases", "_mongo", "pytest_collection_modifyitems", "store"]
