"""What a caller may see: an argument of every read of a store.

A store applies it inside each scan, so that pages, totals, includes and histories are those of a
store that holds nothing else: what is hidden and what is absent look the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visibility:
    """`types` None: every type. `patient` None: every compartment; else the id of the one patient.

    `unbound` are types that are seen whole, whatever the patient.
    """

    reason: str
    types: frozenset[str] | None = None
    patient: str | None = None
    unbound: frozenset[str] = frozenset()

    @classmethod
    def system(cls, reason: str) -> Visibility:
        """See everything, for the server's own work; the reason is on record."""
        return cls(f"system: {reason}")

    @classmethod
    def everything(cls, reason: str) -> Visibility:
        """See everything: the caller's rights are not limited."""
        return cls(reason)

    @classmethod
    def nothing(cls, reason: str) -> Visibility:
        """See nothing at all."""
        return cls(reason, frozenset())

    def of_types(self, types: frozenset[str]) -> Visibility:
        """See no more than these types of what was visible."""
        return self & Visibility(self.reason, types)

    def of_patient(self, patient: str) -> Visibility:
        """See no more than this patient's compartment of what was visible."""
        return self & Visibility(self.reason, patient=patient)

    def __and__(self, other: Visibility) -> Visibility:
        """See what both see; two that are bound to different patients see nothing."""
        if self is other:
            return self
        types = _common(self.types, other.types)
        if self.patient is None or other.patient is None:
            bound = self if other.patient is None else other
            return Visibility(self.reason, types, bound.patient, bound.unbound)
        if self.patient != other.patient:
            return Visibility.nothing(self.reason)
        return Visibility(self.reason, types, self.patient, self.unbound & other.unbound)

    def permits_type(self, resource_type: str) -> bool:
        """Tell whether resources of this type may be seen at all."""
        return self.types is None or resource_type in self.types

    def patient_of(self, resource_type: str) -> str | None:
        """Return the patient whose compartment bounds what is seen of this type; None: no bound."""
        return None if resource_type in self.unbound else self.patient


def _common(first: frozenset[str] | None, second: frozenset[str] | None) -> frozenset[str] | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second
