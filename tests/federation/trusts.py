"""Members that hold people and what is known of them, and a hub where some of it was denied; all made up at random.

What is hidden is told here in other words than the hub's: `Trusts.hidden`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from urllib.parse import parse_qsl, urlencode, urlsplit

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.federation.clearing import Clearing, Judge
from fhir_server.federation.identities import Directory
from fhir_server.federation.lines import Line
from fhir_server.federation.members import Capabilities, Member
from fhir_server.federation.persons import PersonIndex
from fhir_server.federation.search import Party
from fhir_server.federation.transport import Reply
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource
from fhir_server.policy.decision import Audience, Person, Provision
from fhir_server.policy.person_marks import mark_of
from fhir_server.policy.personal import personal_types
from fhir_server.policy.visibility import Visibility
from fhir_server.rules import policy
from fhir_server.search.expression import Predicate
from fhir_server.search.matching import Candidate, matches, ordered
from fhir_server.search.parsing import parse_query
from tests.rest.trusting import a_patient, an_observation, identifier
from tests.search.support import DEFINITIONS, EXTRACTOR

CARE, RESEARCH = "TREAT", "HRESCH"
RESTRICTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
PEOPLE = 6
TYPES = ("Patient", "Observation", "Organization")
HEADERS = {"content-type": "application/fhir+json"}
CODES = frozenset(
    {"date", "code", "subject", "patient", "status", "identifier", "birthdate", "_id"}
)
AS_OF = 1_750_000_000_000_000
INDEX_KEY = b"k" * 32
PERSONAL = personal_types(DEFINITIONS.compartments["Patient"])


@dataclass(slots=True)
class Trust:
    """A member with a few types, that answers as the oracle does; `whole` is what it was before something was erased.

    Who people are is told by that: whom a resource is about does not change by what of it is shown. What mentions one
    of those who are `denying` it shows to nobody, neither in a search nor to who asks who that is.
    """

    name: str
    resources: Sequence[Resource]
    largest_page: int
    declared: frozenset[str]
    denying: frozenset[str] = frozenset()
    whole: Trust | None = None
    asked: list[str] = field(default_factory=list)
    candidates: dict[str, list[Candidate]] = field(init=False)

    def __post_init__(self) -> None:
        self.candidates = {
            kind: [
                Candidate(EXTRACTOR.extract(each), 0, number)
                for number, each in enumerate(self.resources)
                if each["resourceType"] == kind and self.denying.isdisjoint(_mentioned(each))
            ]
            for kind in TYPES
        }

    @property
    def base(self) -> str:
        """Its FHIR base."""
        return f"https://{self.name}.example/fhir"

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Nothing is sent to it here."""
        raise AssertionError(f"{method} {url} {len(headers)} {len(content)}")

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Answer a search."""
        assert headers["accept"] == "application/fhir+json"
        self.asked.append(url)
        return Reply(200, HEADERS, self.page(url))

    def page(self, url: str) -> bytes:
        """Return the searchset at a URL of its own."""
        kind = urlsplit(url).path.rpartition("/")[2]
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        start = int(dict(pairs).get("_offset", "0"))
        asked = [pair for pair in pairs if pair[0] != "_offset"]
        query = parse_query(kind, asked, DEFINITIONS, now=0, base_url=self.base)
        found = ordered(self.candidates[kind], query.plan, self._resolves)
        size = min(query.count, self.largest_page)
        links = [{"relation": "self", "url": url}]
        if start + size < len(found):
            following = urlencode([*asked, ("_offset", str(start + size))])
            links.append({"relation": "next", "url": f"{self.base}/{kind}?{following}"})
        shown = [self.resources[each.rid] for each in found[start : start + size]]
        entries = [_entry(each, "match") for each in shown]
        entries += [_entry(each, "include") for each in self._included(shown, dict(asked))]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links}
        return dump(bundle | ({"entry": entries} if entries else {}))

    def _resolves(self, kind: str, predicate: Predicate, /) -> bool:
        return any(
            matches(predicate, each.record, updated=0, resolve=self._resolves)
            for each in self.candidates[kind]
        )

    def _included(self, shown: Sequence[Resource], asked: Mapping[str, str]) -> Sequence[Resource]:
        if "_include" not in asked:
            return []
        wanted = {each.get("subject", {}).get("reference") for each in shown}
        seen = [each for each in self.resources if self.denying.isdisjoint(_mentioned(each))]
        return [each for each in seen if _address(each) in wanted and each not in shown]

    def index(self) -> PersonIndex:
        """Return whom it knows, hidden or not, within other resources too."""
        held = [each for one in self.resources for each in (one, *one.get("contained", ()))]
        people = [each for each in held if each["resourceType"] == "Patient"]
        marks = {mark_of(INDEX_KEY, number) for each in people for number in _numbers(each)}
        return PersonIndex(AS_OF, INDEX_KEY, b"".join(sorted(marks)))

    def party(self, judge: Judge) -> Party:
        """Return it as a member whose answers are cleared."""
        line = Line(Member(self.name, self.name, self.base), self, lambda: 0)
        headers = {"accept": "application/fhir+json"}
        people = line if self.whole is None else line.through(self.whole)
        clearing = Clearing(judge, Directory(people, headers), EXTRACTOR)
        types = dict.fromkeys(TYPES, self.declared)
        return Party(line, Capabilities(types), EXTRACTOR, clearing)


@dataclass(slots=True)
class Trusts:
    """All of it: `denied` are the numbers of people who denied research (`RESEARCH`) or all (`CARE`) at the hub."""

    members: Sequence[Trust]
    denied: Mapping[str, str]
    purpose: str

    def judge(self) -> Judge:
        """Return what the hub decides by."""

        async def people(numbers: Collection[str]) -> Mapping[str, Person]:
            return {each: Person((), self._provisions(each)) for each in numbers}

        bound = self.purpose == RESEARCH
        sight = Visibility.everything("a test")
        return Judge(policy(), PERSONAL, Audience(self.purpose), sight, bound, 0, people)

    def erased(self) -> Trusts:
        """Return the same where nobody holds what is hidden."""
        left = [
            Trust(
                each.name,
                [one for one in each.resources if not self.hidden(each, one)],
                each.largest_page,
                each.declared,
                whole=each,
            )
            for each in self.members
        ]
        return Trusts(left, self.denied, self.purpose)

    def hidden(self, member: Trust, resource: Resource) -> bool:
        """Tell whether the member, or the hub, must not show a resource."""
        if not member.denying.isdisjoint(_mentioned(resource)):
            return True
        if RESTRICTED in resource.get("meta", {}).get("security", ()):
            return True
        told_of = [each for each in member.resources if _address(each) in _mentioned(resource)]
        missing = len(told_of) < len(_mentioned(resource))
        bound = self.purpose == RESEARCH and resource["resourceType"] != "Organization"
        unknown = (
            missing
            or not (told_of or _named(resource))
            or any(not _is_known(each) for each in told_of)
        )
        if bound and unknown:
            return True
        numbers = [number for each in told_of for number in _numbers(each)]
        return any(map(self._denies, [*numbers, *_named(resource)]))

    def _denies(self, number: str) -> bool:
        said = self.denied.get(number)
        return said == CARE or (said == RESEARCH and self.purpose == RESEARCH)

    def _provisions(self, number: str) -> tuple[Provision, ...]:
        match self.denied.get(number):
            case None:
                return ()
            case "TREAT":
                return (Provision("consent", "deny", "Consent/1"),)
            case _:
                return (Provision("opt-out", "deny", "register"),)


def random_trusts(random: Random) -> Trusts:
    """Return members and denials; some people are at several members, some have no number, or one that nobody verified."""
    count = random.randint(1, 4)
    members = [
        Trust(
            f"m{each}",
            _resources(random),
            random.choice((1, 2, 3, 100)),
            CODES - frozenset(random.sample(("code", "status", "date"), random.randint(0, 2))),
            frozenset(f"Patient/p{one}" for one in range(PEOPLE) if random.random() < 0.1),
        )
        for each in range(count)
    ]
    denied = {
        nhs_number(each): random.choice((CARE, RESEARCH))
        for each in range(PEOPLE)
        if random.random() < 0.4
    }
    return Trusts(members, denied, random.choice((CARE, RESEARCH)))


def _resources(random: Random) -> list[Resource]:
    people = random.sample(range(PEOPLE), random.randint(0, PEOPLE))
    found: list[Resource] = [{"resourceType": "Organization", "id": "o", "name": "Trust"}]
    for each in people:
        born = f"19{random.randint(50, 52)}-01-01"
        number = random.choices((each, None), (9, 1))[0]
        patient = a_patient(f"p{each}", number, birthDate=born)
        if number is not None and random.random() < 0.3:
            patient["identifier"] = [identifier(each, random.choice(("01", "03")))]
        if random.random() < 0.1:
            patient["meta"] = {"security": [RESTRICTED]}
        found.append(patient)
    for each in range(random.randint(0, 12)):
        about = random.choice([*people, 77])
        more: Resource = {"effectiveDateTime": f"2024-01-0{random.randint(1, 3)}"}
        if people and random.random() < 0.2:
            more["focus"] = [{"reference": f"Patient/p{random.choice(people)}"}]
        if random.random() < 0.1:
            more["meta"] = {"security": [RESTRICTED]}
        observation = an_observation(f"o{each}", f"p{about}", **more)
        if random.random() < 0.1:
            del observation["subject"]
        elif random.random() < 0.1:
            observation["subject"] = {"identifier": identifier(random.randrange(PEOPLE))}
        found.append(observation)
    return found


def _entry(resource: Resource, mode: str) -> Resource:
    return {"resource": resource, "search": {"mode": mode}}


def _address(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _mentioned(resource: Resource) -> set[str]:
    if resource["resourceType"] == "Patient":
        return {_address(resource)}
    referring = [
        *resource.get("focus", ()),
        *([resource["subject"]] if "subject" in resource else []),
    ]
    return {each["reference"] for each in referring if "reference" in each}


def _named(resource: Resource) -> list[str]:
    number = resource.get("subject", {}).get("identifier", {}).get("value")
    return [] if number is None else [number]


def _numbers(patient: Resource) -> list[str]:
    return [each["value"] for each in patient.get("identifier", ())]


def _is_known(patient: Resource) -> bool:
    return "identifier" in patient and "'03'" not in str(patient)
