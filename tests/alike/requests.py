"""Random requests that the scripts of `tests/noninterference` do not draw: preconditions, formats, and what is refused."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from tests.noninterference.scripts import Ask, a_script, filled
from tests.noninterference.worlds import Resource, a_resource, an_observation, coded, to

READS = (
    "/Observation/{o}?_pretty=true",
    "/Observation/{o}/_history/0",
    "/Observation/{o}/_history/x",
    "/Observation/{o}/_history?_since=2027-01-15T08:00:00.010Z&_count=1",
    "/Observation/{o}/_history?_at=2027-01-15",
    "/Patient/_history?_count=0",
    "/Patient/{p}/_history?_format=xml",
    "/_history?_type=Patient,Observation&_count=2",
    "/Observation?_sort=-_id&_count=2",
    "/Observation?_sort=_lastUpdated,-date&_count=2",
    "/Observation?_sort=status,-value-quantity,code&_count=2",
    "/Observation?_sort=-encounter&_count=2",
    "/?_type=Observation,Patient&_sort=_id&_count=3",
    "/?_type=Observation,Patient&_sort=-_lastUpdated&_count=3",
    "/?_type=Patient,Encounter&_id={p},e0&_total=accurate",
    "/Patient?name={f}&_sort=-name&_count=1&_total=accurate",
    "/Patient?family={f},x\\,y&gender:missing=true",
    "/Patient?birthdate=ap1815-12-10",
    "/Patient?birthdate=ne1952&_summary=text",
    "/Observation?date=sa2020&date=eb2022&_count=1",
    "/Observation?date:missing=true&_count=1&_total=accurate",
    "/Observation?status:not=final&category:not=laboratory",
    "/Observation?code:text={k}",
    "/Observation?code:in=http://nowhere",
    "/Observation?value-quantity=5.0||mg",
    "/Observation?value-quantity=le{d}|http://unitsofmeasure.org|g",
    "/Observation?combo-code-value-quantity={k}$ge{d}&_sort=-code",
    "/Observation?_id=o1&_id=o2",
    "/Observation?_lastUpdated=2027-01-15&_count=3&_sort=-code",
    "/Observation?_profile:missing=true&_tag:missing=true&_count=2",
    "/Observation?performer:missing=false&_include=Observation:encounter&_count=2",
    "/Observation?performer=#c",
    "/Observation?focus.name={f}",
    "/Observation?_has:List:item:subject=Patient/{p}",
    "/Observation?_list=l0,l1",
    "/List?item:Observation.code={k}&_count=1",
    "/Patient?_has:Observation:subject:date=gt2020&_has:Encounter:subject:status=finished",
    "/Location?near=54|-1.75|1|km&_sort=near",
    "/Location?near=54|-1.75|0|km",
    "/Encounter?location:above=ward",
    "/Patient/{p}/Observation?code={k}&_sort=date&_count=1",
    "/Patient/{p}/$everything?_since=2027-01-15T08:00:00.020Z&_count=3",
    "/Observation/$lastn?subject=Patient/{p}&category=laboratory",
    "/Observation?_count=-1",
    "/Observation?date=nonsense",
    "/Observation?_sort=nothing",
    "/Observation?subject.nothing=1",
    "/Observation?_filter=code eq",
    "/Observation?code=" + ",".join(map(str, range(40))),
    "/AuditEvent?_count=2",
    "/Observation/" + "x" * 65,
    "/Observation/{o}/$explain-access?audience=x",
    "/SearchParameter?_count=1",
)

IN_ANOTHER_FORM = (
    (("if-none-match", 'W/"1"'),),
    (("if-none-match", "*"),),
    (("if-modified-since", "Fri, 15 Jan 2027 08:00:00 GMT"),),
    (("accept", "application/fhir+xml"),),
    (("accept", "text/plain"),),
    (("prefer", "handling=lenient"),),
)
"""Headers of reads."""

PREFERRED = (
    (),
    (("prefer", "return=minimal"),),
    (("prefer", "return=OperationOutcome"),),
    (("if-none-match", "*"),),
    (("if-match", 'W/"1"'),),
    (("if-match", 'W/"2", W/"3"'),),
    (("if-match", "nonsense"),),
    (("x-provenance", '{"resourceType":"Provenance"}'),),
)
"""Headers of writes."""

CRITERIA = (
    "code={k}",
    "_id={o}",
    "subject:Patient.family={f}",
    "date=ge2021&status=final",
    "code={k}&subject=Patient/{p}",
    "_has:List:item:status=current",
    "_content=dizzy",
    "nothing=1",
    "",
)

PROVENANCE = {
    "resourceType": "Provenance",
    "recorded": "2026-11-23T10:00:00Z",
    "agent": [{"who": {"display": "somebody"}}],
    "target": [],
}


def requests(random: Random) -> list[Ask]:
    """Return some requests that one caller sends, one after the other."""
    chance = random.random()
    if chance < 0.4:
        return [*a_script(random, writes=True)]
    if chance < 0.7:
        headers = random.choice(IN_ANOTHER_FORM) if random.random() < 0.3 else ()
        return [Ask("GET", filled(random, random.choice(READS)), None, headers)]
    return [_a_write(random)]


def _a_write(random: Random) -> Ask:
    return random.choice((_conditional, _patch, _put, _with_provenance, _bundle))(random)


def _where(random: Random) -> str:
    return filled(random, random.choice(CRITERIA))


def _new(random: Random) -> Resource:
    return {name: value for name, value in an_observation(random).items() if name != "id"}


def _conditional(random: Random) -> Ask:
    preferred = random.choice(PREFERRED[:3])
    where = _where(random)
    choice = random.randrange(4)
    if choice == 0:
        return Ask("POST", "/Observation", _new(random), (*preferred, ("if-none-exist", where)))
    if choice == 1:
        return Ask("PUT", f"/Observation?{where}", _new(random), preferred)
    if choice == 2:
        change = [{"op": "add", "path": "/note", "value": [{"text": "well"}]}]
        header = ("content-type", "application/json-patch+json")
        return Ask("PATCH", f"/Observation?{where}", change, (*preferred, header))
    return Ask("DELETE", f"/Observation?{where}", None, preferred)


def _patch(random: Random) -> Ask:
    value = {"name": "value", "valueCode": random.choice(("final", "amended", "nothing"))}
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": random.choice(("Observation.status", "Observation.nil"))},
        value,
    ]
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "operation", "part": parts}],
    }
    return Ask("PATCH", filled(random, "/Observation/{o}"), body, random.choice(PREFERRED[:-1]))


def _put(random: Random) -> Ask:
    resource = a_resource(random)
    spoilt: dict[str, Any] = random.choice(
        ({}, {}, {}, {"nothing": 1}, {"id": "other"}, {"meta": {"versionId": "9", "tag": []}})
    )
    url = f"/{resource['resourceType']}/{resource['id']}"
    return Ask("PUT", url, resource | spoilt, random.choice(PREFERRED))


def _with_provenance(random: Random) -> Ask:
    told = ("x-provenance", msgspec.json.encode(PROVENANCE).decode())
    observation = an_observation(random)
    if random.random() < 0.5:
        return Ask("POST", "/Observation", _new(random), (told,))
    return Ask("PUT", f"/Observation/{observation['id']}", observation, (told,))


def _bundle(random: Random) -> Ask:
    entries = [_entry(random, number) for number in range(random.randrange(1, 6))]
    kind = random.choice(("transaction", "transaction", "batch"))
    return Ask("POST", "/", {"resourceType": "Bundle", "type": kind, "entry": entries})


def _entry(random: Random, number: int) -> Resource:
    new = _new(random)
    choice = random.randrange(6)
    if choice == 0:
        request = {"method": "POST", "url": "Observation"}
        if random.random() < 0.5:
            request["ifNoneExist"] = _where(random)
        return {
            "fullUrl": f"urn:uuid:0000000{number}-0000-4000-8000-000000000000",
            "resource": new,
        } | {"request": request}
    if choice == 1:
        other = f"urn:uuid:0000000{random.randrange(5)}-0000-4000-8000-000000000000"
        linked = new | {"hasMember": [{"reference": other}]}
        return {"resource": linked, "request": {"method": "POST", "url": "Observation"}}
    if choice == 2:
        found = filled(random, "Patient?family={f}")
        linked = new | {"subject": {"reference": found}, "code": coded("c")}
        return {"resource": linked, "request": {"method": "POST", "url": "Observation"}}
    if choice == 3:
        url = filled(random, "Observation/{o}")
        asked = {"method": "DELETE", "url": random.choice((url, f"Observation?{_where(random)}"))}
        return {"request": asked}
    if choice == 4:
        resource = a_resource(random) | {"subject": to("Patient", "ada")}
        url = f"{resource['resourceType']}/{resource['id']}"
        match = random.choice(({}, {"ifMatch": 'W/"1"'}))
        return {"resource": resource, "request": {"method": "PUT", "url": url} | match}
    return {"request": {"method": "GET", "url": filled(random, random.choice(READS))[1:]}}
