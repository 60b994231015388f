"""What an interaction that writes answers with."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.fhir.resource import Stored


@dataclass(frozen=True, slots=True)
class Saved:
    """The current version after a create, update or patch.

    `created`: no current version was there before. `changed`: this call made the version; without it
    the content was the same already, or a conditional create found its match.
    """

    stored: Stored
    created: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class Deleted:
    """The deletion that is the current version now; None where there was nothing to delete."""

    stored: Stored | None
