"""What a caller may see: an argument of every read of a store.

A store applies it inside each scan, so that pages, totals, includes and histories are those of a
store that holds nothing else: what is hidden and what is absent look the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_server.policy.criteria import Criteria
from fhir_server.policy.decision import Audience
from fhir_server.search.expression import Predicate
from fhir_server.search.record import IndexRecord


@dataclass(frozen=True, slots=True)
class Visibility:
    """`types` None: every type. `patient` None: every compartment; else the id of the one patient.

    `unbound` are types that are seen whole, whatever the patient.
    `audience` None: nobody's Consent or opt-out is in the way; else those that stand at the moment `at`, in
    microseconds, hide what they are about. The moment is no part of what one sight is told from another by: who asks
    again a moment later asks by the same rules. `emergency` are the patients whose records a grant opens to that audience;
    `opened` is for the store, which fills it in: what it is that they open.
    `criteria` None: what is seen of a type is all of it; else what satisfies them, and no deletions.
    """

    reason: str
    types: frozenset[str] | None = None
    patient: str | None = None
    unbound: frozenset[str] = frozenset()
    audience: Audience | None = None
    at: int = field(default=0, compare=False)
    emergency: frozenset[str] = frozenset()
    opened: frozenset[str] = frozenset()
    criteria: Criteria | None = None

    def __hash__(self) -> int:
        """Return what tells most sights apart: statements are remembered by sight."""
        return hash((self.types, self.patient, self.audience, self.criteria))

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

    @property
    def is_unlimited(self) -> bool:
        """Tell whether nothing is hidden: who sees this may also be told how a search was answered."""
        restrictions = (self.types, self.patient, self.audience, self.criteria)
        return all(each is None for each in restrictions)

    def of_types(self, types: frozenset[str]) -> Visibility:
        """See no more than these types of what was visible."""
        return self & Visibility(self.reason, types)

    def of_patient(self, patient: str) -> Visibility:
        """See no more than this patient's compartment of what was visible."""
        return self & Visibility(self.reason, patient=patient)

    def of_audience(
        self, audience: Audience, *, at: int, emergency: frozenset[str] = frozenset()
    ) -> Visibility:
        """See no more of what was visible than this audience may at this moment; in an emergency of these patients."""
        told = Visibility(self.reason, audience=audience, at=at, emergency=emergency)
        return self & told

    def at_moment(self, at: int, emergency: frozenset[str]) -> Visibility:
        """See the same at a moment, in an emergency of these patients; what it opens is to be found out."""
        return Visibility(
            self.reason, self.types, self.patient, self.unbound, self.audience, at, emergency,
            criteria=self.criteria,
        )  # fmt: skip

    def __and__(self, other: Visibility) -> Visibility:
        """See what both see; two that are bound to different patients, or audiences, see nothing."""
        if self is other:
            return self
        if _differ(self.patient, other.patient) or _differ(self.audience, other.audience):
            return Visibility.nothing(self.reason)
        both = self.patient is not None and other.patient is not None
        bound = self if other.patient is None else other
        told = self if other.audience is None else other
        return Visibility(
            self.reason,
            _common(self.types, other.types),
            bound.patient,
            self.unbound & other.unbound if both else bound.unbound,
            told.audience,
            told.at,
            emergency=told.emergency
            if None in {self.audience, other.audience}
            else self.emergency & other.emergency,
            criteria=_both(self.criteria, other.criteria),
        )

    def permits_type(self, resource_type: str) -> bool:
        """Tell whether resources of this type may be seen at all."""
        return self.types is None or resource_type in self.types

    def sees_whole(self, resource_type: str) -> bool:
        """Tell whether nothing of a type is hidden."""
        return (
            self.permits_type(resource_type)
            and self.patient_of(resource_type) is None
            and self.audience is None
            and self.criterion(resource_type) is None
        )

    def criterion(self, resource_type: str) -> Predicate | None:
        """Return what a resource of a type must satisfy besides; None: nothing."""
        return None if self.criteria is None else self.criteria.of(resource_type)

    def sees(self, resource_type: str, record: IndexRecord) -> bool:
        """Tell whether a resource may be seen, by its index record, as far as nobody denied it: the oracle."""
        patient = self.patient_of(resource_type)
        return (
            self.permits_type(resource_type)
            and (patient is None or patient in record.compartments)
            and (self.criteria is None or self.criteria.meets(resource_type, record))
        )

    def patient_of(self, resource_type: str) -> str | None:
        """Return the patient whose compartment bounds what is seen of this type; None: no bound."""
        return None if resource_type in self.unbound else self.patient


def _differ(first: object, second: object) -> bool:
    return first is not None and second is not None and first != second


def _both(first: Criteria | None, second: Criteria | None) -> Criteria | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _common(first: frozenset[str] | None, second: frozenset[str] | None) -> frozenset[str] | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second
