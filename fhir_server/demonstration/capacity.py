"""How full the care homes and virtual wards say they are: counts, where beds are not seen one by one.

Capacity is an Observation of a Location, a component a bucket: maximum = occupied + reserved + accepting + not available.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fhir_server.demonstration.codes import PLATFORM, concept, reference
from fhir_server.demonstration.moments import at, days_before
from fhir_server.demonstration.places import places, virtual_ward
from fhir_server.demonstration.trust import Trust
from fhir_server.fhir.resource import Resource

_CATEGORY = concept(f"{PLATFORM}/CodeSystem/obs-category", "capacity", "Capacity")
_BUCKETS = {"O": "occupied", "H": "reserved", "U": "accepting"}


def capacities(trust: Trust) -> Iterator[Resource]:
    """Yield a count for each care home and virtual ward; each later home's is a fortnight staler."""
    counts: dict[str, Counter[str]] = {}
    for place in places(trust):
        if place.organisation != trust.id or place.parent == virtual_ward(trust):
            bucket = _BUCKETS.get(place.status, "not-available")
            counts.setdefault(place.parent, Counter())[bucket] += 1
    for position, (location, count) in enumerate(counts.items()):
        stale = 0 if location == virtual_ward(trust) else 14 * position
        yield _capacity(trust, location, count, stale)


def _capacity(trust: Trust, location: str, count: Counter[str], stale: int) -> Resource:
    kind = "virtual-ward" if location == virtual_ward(trust) else "general-nursing"
    buckets = {"maximum": count.total()} | {
        bucket: count[bucket] for bucket in (*_BUCKETS.values(), "not-available")
    }
    return {
        "resourceType": "Observation",
        "id": f"capacity-{location}",
        "status": "final",
        "category": [_CATEGORY],
        "code": concept(
            f"{PLATFORM}/CodeSystem/capacity", kind, kind.replace("-", " ").capitalize()
        ),
        "subject": reference("Location", location),
        "effectiveDateTime": at(days_before(trust.today, stale), 8),
        "component": [
            {
                "code": concept(f"{PLATFORM}/CodeSystem/capacity-bucket", bucket, bucket),
                "valueInteger": amount,
            }
            for bucket, amount in buckets.items()
        ],
    }
