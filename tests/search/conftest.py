"""Settings of the tests of search."""

from __future__ import annotations

from hypothesis import settings

# The first search of a type compiles its parameters, which takes longer than all that follow.
settings.register_profile("compiling", deadline=None)
settings.load_profile("compiling")
