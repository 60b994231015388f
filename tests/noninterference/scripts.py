"""Random requests over every way to read, and to write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.noninterference.worlds import PEOPLE, Resource, a_resource, number_of

READS = (
    "/Observation/{o}",
    "/Observation/{o}/_history",
    "/Observation/{o}/_history?_count=1",
    "/Observation/{o}/_history/{v}",
    "/Patient/{p}",
    "/Patient/{p}/_history",
    "/Patient/{p}/_history/{v}",
    "/Consent/{c}",
    "/Consent/{c}/_history",
    "/Binary/b",
    "/Binary/b?_format=json",
    "/Binary/b/_history/{v}",
    "/Group/g",
    "/List/{l}",
    "/Location/site",
    "/Appointment/a",
    "/Provenance/p",
    "/Provenance/p1",
    "/Provenance/p/_history",
    "/Provenance/p1/_history/{v}",
    "/Provenance/_history?_count=2",
    "/Task/t",
    "/Task/t/_history",
    "/DocumentReference/d",
    "/Patient/{p}?_summary=true",
    "/Observation/{o}?_elements=code",
    "/Observation/{o}?_format=xml",
    "/Encounter/e0/$everything?_count=2",
    "/Patient/{p}/$everything?_count=2",
    "/Patient/{p}/$everything?_type=Observation",
    "/Patient/{p}/$everything?start=2021",
    "/Patient/$everything?_count=2",
    "/Patient/{p}/*?_count=2",
    "/Patient/{p}/Observation",
    "/Practitioner/doc/Observation?_count=1",
    "/Encounter/e0/*",
    "/Observation/$lastn?patient={p}&max=2",
    "/Observation/$lastn?subject:Patient.family={f}",
    "/metadata",
    "/SearchParameter/$status",
    "/Observation/_history?_count=2",
    "/Patient/_history?_count=1",
    "/_history?_count=3",
    "/_history?_since=2027-01-15T08:00:00.010Z",
    "/?_type=Observation,Patient&_count=2",
    "/?_count=4",
    "/Nothing/{p}",
    "/Patient/{p}/Nothing",
)

SEARCHES = (
    "Patient?_count=1",
    "Patient?family={f}",
    "Patient?family:exact={f}",
    "Patient?family:contains=e",
    "Patient?identifier={n}",
    "Patient?identifier:missing=true",
    "Patient?birthdate=lt1900",
    "Patient?_sort=birthdate,-family&_count=1",
    "Patient?_sort=family&_count=1",
    "Patient?link=Patient/{p}",
    "Patient?_has:Observation:subject:code={k}",
    "Patient?_has:Observation:patient:value-quantity=gt{d}",
    "Patient?_has:Observation:subject:_has:List:item:status=current",
    "Patient?_has:Group:member:_id=g",
    "Patient?_has:Consent:patient:status=active",
    "Patient?_revinclude=Observation:subject&_revinclude=Encounter:*",
    "Patient?_revinclude=*",
    "Patient?general-practitioner.family=Who",
    "Observation?_count=1",
    "Observation?_count=2&_sort=code",
    "Observation?_count=2&_sort=-code,date",
    "Observation?_count=1&_sort=-_lastUpdated",
    "Observation?_count=1&_sort=_id",
    "Observation?_count=1&_sort=value-quantity",
    "Observation?_count=1&_sort=-date",
    "Observation?_count=1&_sort=subject",
    "Observation?_summary=count",
    "Observation?_count=0",
    "Observation?_elements=code&_count=2",
    "Observation?code={k}&_total=accurate&_count=1",
    "Observation?code={k}&_total=estimate&_count=1",
    "Observation?code={k}&_total=none&_count=1",
    "Observation?code=urn:codes|{k}",
    "Observation?code=a,b&_count=1",
    "Observation?code:not={k}",
    "Observation?code:missing=true",
    "Observation?date=ge2021",
    "Observation?date=202{d}-05-01,2020-05-01",
    "Observation?value-quantity=gt{d}",
    "Observation?value-quantity={d}||mg",
    "Observation?code-value-quantity={k}$gt{d}",
    "Observation?subject=Patient/{p}",
    "Observation?patient={p}&code={k}",
    "Observation?patient={p}&code=a,b&_sort=-date&_count=1",
    "Observation?subject:identifier={n}",
    "Observation?subject:Patient.family={f}",
    "Observation?subject:Patient.identifier={n}",
    "Observation?subject:Patient.birthdate=gt1900",
    "Observation?subject:Patient.family:missing=true",
    "Observation?subject:Patient._has:Observation:subject:code={k}",
    "Observation?patient.general-practitioner.family=Who",
    "Observation?performer:Practitioner.family=Who",
    "Observation?has-member.code={k}",
    "Observation?encounter.location.address-city:missing=true",
    "Observation?encounter:Encounter.location:below=site",
    "Observation?_id=o1,o2,o3",
    "Observation?_lastUpdated=gt2027-01-15T08:00:00.010Z",
    "Observation?_security=PSY",
    "Observation?category=laboratory&_count=1",
    "Observation?_list={l}",
    "Observation?_text=dizzy",
    "Observation?_content=dizzy",
    "Observation?_content=night OR well&_count=1",
    "Observation?_filter=code eq {k} and not (date lt 2021-01-01)",
    "Observation?_filter=subject.family eq {f}",
    "Observation?_include=Observation:subject&_include=Observation:performer",
    "Observation?_include=*",
    "Observation?_include=*&_revinclude:iterate=Observation:subject&_count=1",
    "Observation?_include:iterate=Observation:has-member&_count=1",
    "Observation?_revinclude=List:item&_revinclude=Provenance:target",
    "Observation?_has:Provenance:target:agent:missing=false",
    "Observation?_explain=true",
    "Observation?unheard-of=1",
    "Encounter?location:below=site",
    "Encounter?_has:Observation:encounter:code={k}",
    "Encounter?_include=Encounter:location&_include:iterate=Location:partof",
    "Location?near=54.05|-1.75|5|km",
    "Location?partof:below=site",
    "Location?partof:above=ward",
    "Location?_revinclude=Encounter:location",
    "Group?member=Patient/{p}",
    "Group?_include=Group:member",
    "List?item=Observation/{o}",
    "List?_include=List:item",
    "List?subject=Patient/{p}&_summary=count",
    "Consent?patient=Patient/{p}",
    "Consent?_summary=count",
    "Consent?_include=Consent:patient",
    "Appointment?patient={p}",
    "Appointment?_include=Appointment:actor",
    "Binary?_count=1",
    "Binary?_summary=count",
    "DocumentReference?patient={p}",
    "Provenance?target=Observation/{o}",
    "Provenance?_include=Provenance:target",
    "Provenance?_count=1",
    "Provenance?_summary=count",
    "Provenance?recorded=ge2021&_sort=recorded&_count=1",
    "Provenance?target:Observation.code={k}",
    "Task?status=requested,completed",
    "Task?focus=Observation/{o}&_summary=count",
    "Task?_revinclude=Provenance:target",
    "Observation?_has:Task:focus:status=requested",
    "QuestionnaireResponse?questionnaire.title=Falls",
    "Questionnaire?_has:QuestionnaireResponse:questionnaire:patient={p}",
    "QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire",
    "Questionnaire?_revinclude=QuestionnaireResponse:questionnaire",
    "Practitioner?_revinclude=Observation:performer",
    "Practitioner?_has:Observation:performer:code={k}",
    "Practitioner?_contained=true",
    "Practitioner?_contained=both&name=who&_containedType=contained&_total=accurate&_count=1",
    "Patient?_contained=true&family={f}",
    "Patient?_contained=both&_containedType=contained&_sort=family&_count=2",
    "Patient?_contained=true&_summary=count",
)

CONDITIONS = (
    "code={k}",
    "subject=Patient/{p}",
    "subject:Patient.family={f}",
    "_id={o}",
    "value-quantity=gt{d}",
)


@dataclass(frozen=True)
class Ask:
    """One request; a body that is text is a form."""

    method: str
    url: str
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def may_lift(self) -> bool:
        """Tell whether it may change what people denied, or who they are."""
        told = f"{self.url} {self.body}"
        return self.method not in {"GET", "HEAD"} and ("Consent" in told or "Patient" in told)


def filled(random: Random, template: str) -> str:
    """Return a request's address with names, codes and numbers in it."""
    return template.format(
        o=f"o{random.randrange(7)}",
        p=random.choice([*PEOPLE, "nobody"]),
        n=number_of(random.choice(list(PEOPLE))),
        c=f"c{random.randrange(3)}",
        l=f"l{random.randrange(2)}",
        v=random.randrange(1, 5),
        f=random.choice(("Lovelace", "Menabrea")),
        k=random.choice("ab"),
        d=random.randrange(9),
    )


def a_read(random: Random) -> Ask:
    """Return a request that only reads."""
    if random.random() < 0.35:
        return Ask(
            random.choice(("GET", "GET", "GET", "HEAD")), filled(random, random.choice(READS))
        )
    search = filled(random, random.choice(SEARCHES))
    if random.random() < 0.1:
        place, _, query = search.partition("?")
        return Ask("POST", f"/{place}/_search", query)
    if search.startswith("Observation?") and random.random() < 0.1:
        search = filled(random, "Patient/{p}/") + search
    return Ask("GET", f"/{search}")


def a_bundle(random: Random) -> Ask:
    """Return a batch or a transaction of reads, and perhaps a write."""
    urls = [a_read(random).url.lstrip("/") for _ in range(3)]
    entries: list[Resource] = [
        {"request": {"method": "GET", "url": each}} for each in urls if not each.startswith("?")
    ]
    if random.random() < 0.5:
        entries.append(_entry(a_write(random)))
    kind = random.choice(("batch", "transaction"))
    return Ask("POST", "/", {"resourceType": "Bundle", "type": kind, "entry": entries})


def _entry(ask: Ask) -> Resource:
    names = {"if-none-exist": "ifNoneExist", "if-match": "ifMatch"}
    request = {"method": ask.method, "url": ask.url.lstrip("/")}
    request |= {names[name]: value for name, value in ask.headers if name in names}
    body = {} if ask.body is None or ask.method == "PATCH" else {"resource": ask.body}
    if ask.method == "PATCH":
        request["method"] = "DELETE"
    return {"request": request, **body}


def a_write(random: Random) -> Ask:
    """Return a request that writes, or would."""
    resource = a_resource(random)
    kind, name = resource["resourceType"], resource["id"]
    unnamed = {key: value for key, value in resource.items() if key != "id"}
    where = filled(random, random.choice(CONDITIONS))
    version = (("if-match", f'W/"{random.randrange(1, 4)}"'),) if random.random() < 0.4 else ()
    observed = kind == "Observation"
    choice = random.randrange(8)
    if choice == 0:
        return Ask("DELETE", f"/{kind}/{name}", None, version)
    if choice == 1 and observed:
        return Ask("DELETE", f"/Observation?{where}")
    if choice == 2 and observed:
        return Ask("PUT", f"/Observation?{where}", random.choice((unnamed, resource)))
    if choice in {3, 6, 7}:
        condition = (("if-none-exist", where),) if observed else ()
        return Ask("POST", f"/{kind}", unnamed, condition)
    if choice == 4 and observed:
        change = [{"op": "replace", "path": "/status", "value": "amended"}]
        kind_of = (("content-type", "application/json-patch+json"),)
        return Ask("PATCH", f"/Observation/{name}", change, (*version, *kind_of))
    return Ask("PUT", f"/{kind}/{name}", resource, version)


def a_script(random: Random, *, writes: bool) -> Sequence[Ask]:
    """Return requests that one caller sends, one after the other."""
    found = []
    for _ in range(random.randrange(3, 7)):
        kind = random.random()
        if kind < 0.1:
            found.append(a_bundle(random))
        elif kind < 0.2 and writes:
            found.append(a_write(random))
        else:
            found.append(a_read(random))
    return found
