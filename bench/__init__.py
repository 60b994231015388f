"""Measures what README promises: each figure beside its limit, taken in the same run."""
