"""One trust of the synthetic platform: what its themes have to agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from random import Random

from fhir_server.demonstration import words
from fhir_server.demonstration.codes import reference
from fhir_server.demonstration.identifiers import NHS_NUMBERS, site_code, trust_code
from fhir_server.fhir.resource import Resource

WARDS = len(words.WARDS)
PRACTICES = 2
CONSULTANTS = 4
THEATRES = 2

_VISITORS = 20
_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"


@dataclass(frozen=True, slots=True)
class Trust:
    """A trust and the numbers of its patients; all its ids and draws follow from this value.

    `home` holds the patients of the first trust, some of whom are known here too.
    """

    seed: int
    number: int
    today: date
    patients: range
    home: range

    @property
    def id(self) -> str:
        """The logical id of its Organization."""
        return f"trust-{self.number}"

    @property
    def name(self) -> str:
        """Its short name: Northmoor."""
        return words.TRUSTS[self.number - 1]

    @property
    def ods(self) -> str:
        """Its ODS code."""
        return trust_code(self.number)

    @property
    def itself(self) -> Resource:
        """A reference to its Organization."""
        return reference("Organization", self.id, f"{self.name} NHS Trust")

    def dice(self, theme: str) -> Random:
        """Return a generator of its own for a theme, so that themes do not disturb each other."""
        return dice(self.seed, theme, self.number)

    def numbered(self, kind: str, position: int, of: int) -> str:
        """Return the id of the n-th of its wards, theatres and so on, unique on the platform."""
        return f"{kind}-{(self.number - 1) * of + position}"

    def ward(self, position: int) -> str:
        """Return the id of its n-th ward, from 1."""
        return self.numbered("ward", position, WARDS)

    def practice(self, patient: int) -> str:
        """Return the id of a patient's GP practice."""
        return self.numbered("practice", 1 + patient % PRACTICES, PRACTICES)

    def site_code(self, site: int) -> str:
        """Return the ODS code of one of its sites."""
        return site_code(self.number, site)

    def postcode(self, number: int) -> str:
        """Return a postcode in one of its districts: no real one begins with X."""
        district = 1 + number % len(words.TOWNS)
        inward = f"{number % 9 + 1}{_LETTERS[number % 20]}{_LETTERS[number % 17]}"
        return f"X{self.ods[1]}{district} {inward}"

    def person(self, patient: int) -> int:
        """Return who a patient is: one in twenty is someone whom the first trust knows as well."""
        if self.number > 1 and patient % _VISITORS == 0:
            return self.home[patient % len(self.home)]
        return patient


def trusts_of(*, seed: int, trusts: int, patients: int, today: date) -> Sequence[Trust]:
    """Share the patients out over the trusts; raise ValueError for numbers that cannot be."""
    if not 1 <= trusts <= len(words.TRUSTS):
        raise ValueError(f"there can be 1 to {len(words.TRUSTS)} trusts, not {trusts}")
    if not trusts <= patients < NHS_NUMBERS:
        raise ValueError(
            f"{trusts} trusts need {trusts} to {NHS_NUMBERS - 1} patients, not {patients}"
        )
    # Rounded up, so that no trust is larger than the first and each visitor there is another person.
    bounds = [1 - (-share * patients // trusts) for share in range(trusts + 1)]
    home = range(bounds[0], bounds[1])
    return [
        Trust(seed, number, today, range(bounds[number - 1], bounds[number]), home)
        for number in range(1, trusts + 1)
    ]


def dice(seed: int, *theme: object) -> Random:
    """Return a generator that depends on the seed and the theme alone, in every process."""
    return Random("/".join(map(str, (seed, *theme))))  # noqa: S311 - made-up data, no secret


def chance(draw: Random, probability: float) -> bool:
    """Tell whether something that is this likely happens."""
    return draw.random() < probability


def patient_id(patient: int) -> str:
    """Return the logical id of a Patient: patient-0001."""
    return f"patient-{patient:04}"


def the_patient(patient: int) -> Resource:
    """Return a reference to a Patient."""
    return reference("Patient", patient_id(patient))
