"""Test data that others published, read in place.

`scripts/fetch_test_packages` puts the packages into `.cache/packages`. What is missing fails in CI and skips elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shared_data() -> Path:
    """Return the folder of others' test data."""
    return _present(Path(os.environ.get("FHIR_TEST_DATA", ROOT.parent / "shared" / "data")))


def package(name: str) -> Path:
    """Return a fetched package: `hl7.fhir.r4.core.tgz`, `hl7.fhir.r4.examples-4.0.1.tgz`."""
    return _present(ROOT / ".cache" / "packages" / name)


def _present(path: Path) -> Path:
    if path.exists():
        return path
    # A skip is no pass: where CI runs, the data is owed.
    message = f"test data is missing: {path.name} (run scripts/fetch_test_packages)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
