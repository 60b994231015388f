"""The register of flows: programmes with a legal basis of their own, read as data that people review. Pure.

A token names its programme; what the programme may is said here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from fhir_server.policy.purposes import Purposes

IDENTIFIER = "https://example.org/fdp/Id/programme"
"""The identifier system by which a Consent names a programme as an actor."""


class Programme(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One programme: what for, on what basis, by whom (an ODS code).

    `exempt`: the national opt-out does not bind it. `records`: whole records are disclosed to it, not numbers alone.
    """

    id: str
    purposes: tuple[str, ...]
    basis: str
    organisation: str
    exempt: bool = False
    records: bool = False


class _Content(msgspec.Struct, frozen=True):
    programmes: tuple[Programme, ...]


@dataclass(frozen=True)
class Programmes:
    """The programmes by their ids."""

    purposes: Purposes
    by_id: Mapping[str, Programme]

    def find(self, name: str, *, purpose: str, organisation: str | None) -> Programme | None:
        """Return a programme that is registered for this purpose and organisation, None if there is none."""
        found = self.by_id.get(name)
        if found is None or found.organisation != organisation:
            return None
        named = not set(self.purposes.above(purpose)).isdisjoint(found.purposes)
        return found if named else None


def read_programmes(content: bytes, purposes: Purposes) -> Programmes:
    """Return the programmes that a file describes; raise ValueError for one that contradicts itself or the rules."""
    read = msgspec.json.decode(content, type=_Content).programmes
    ids = [each.id for each in read]
    for each in read:
        if ids.count(each.id) > 1:
            raise ValueError(f"the programme {each.id} is there twice")
        if not (each.basis and each.organisation and each.purposes):
            raise ValueError(f"the programme {each.id} says no basis, organisation or purpose")
        for code in each.purposes:
            rule = purposes.rule(code)
            if rule is None or rule.use != "secondary":
                raise ValueError(
                    f"the programme {each.id}: {code} is no purpose that needs a programme"
                )
    return Programmes(purposes, {each.id: each for each in read})
