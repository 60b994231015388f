"""A small synthetic platform: one or more trusts with their places, people, bookings and care.

Everything follows from the arguments: the same ones give the same resources, in an order in which each
reference points back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from fhir_server.demonstration.capacity import capacities
from fhir_server.demonstration.consent import consents, flags
from fhir_server.demonstration.diabetes import conditions, diabetes_care
from fhir_server.demonstration.immunisation import immunizations
from fhir_server.demonstration.organisations import organisations, shared_organisations
from fhir_server.demonstration.people import patients as patients_of
from fhir_server.demonstration.people import practitioners
from fhir_server.demonstration.places import locations
from fhir_server.demonstration.scheduling import scheduling
from fhir_server.demonstration.stays import stays
from fhir_server.demonstration.supply import supply
from fhir_server.demonstration.trust import Trust, trusts_of
from fhir_server.demonstration.waiting import referrals
from fhir_server.fhir.resource import Resource

THEMES: tuple[Callable[[Trust], Iterator[Resource]], ...] = (
    organisations,
    locations,
    practitioners,
    patients_of,
    capacities,
    stays,
    conditions,
    diabetes_care,
    referrals,
    scheduling,
    immunizations,
    consents,
    flags,
    supply,
)
"""What a trust has, each after what it refers to."""


def platform(
    *, seed: int, trusts: int = 1, patients: int = 200, today: date, only: int | None = None
) -> Iterator[Resource]:
    """Yield the platform, its `patients` shared out over the trusts; raise ValueError for too few or too many.

    `only` one of the trusts, by its number from 1, has its own data and what all share.
    Resources share their constant parts: change a copy, never what is yielded.
    """
    members = trusts_of(seed=seed, trusts=trusts, patients=patients, today=today)
    yield from shared_organisations()
    for trust in members if only is None else members[only - 1 : only]:
        for theme in THEMES:
            yield from theme(trust)
