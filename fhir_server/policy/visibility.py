"""What a caller may see: an argument of every read of a store.

A store applies it inside each scan, so that pages, totals, includes and histories are those of a
store that holds nothing else: what is hidden and what is absent look the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visibility:
    """`types` None: every type. `patient` None: every compartment; else the id of the one patient."""

    reason: str
    types: frozenset[str] | None = None
    patient: str | None = None

    @classmethod
    def system(cls, reason: str) -> Visibility:
        """See everything, for the server's own work; the reason is on record."""
        return cls(f"system: {reason}")

    @classmethod
    def everything(cls, reason: str) -> Visibility:
        """See everything: the caller's rights are not limited."""
        return cls(reason)

    @property
    def is_unlimited(self) -> bool:
        """Tell whether nothing is hidden: who sees this may also be told how a search was answered."""
        return self.types is None and self.patient is None

    def of_types(self, types: frozenset[str]) -> Visibility:
        """See no more than these types of what was visible."""
        return Visibility(
            self.reason, types if self.types is None else self.types & types, self.patient
        )

    def of_patient(self, patient: str) -> Visibility:
        """See no more than this patient's compartment of what was visible."""
        if self.patient is not None and self.patient != patient:
            return Visibility(self.reason, frozenset(), self.patient)
        return Visibility(self.reason, self.types, patient)

    def permits_type(self, resource_type: str) -> bool:
        """Tell whether resources of this type may be seen at all."""
        return self.types is None or resource_type in self.types
