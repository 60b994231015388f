"""What is denied is as if it were not there: each store, each way to read, at any moment."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.fhir.resource import Key
from fhir_server.policy.decision import (
    Audience,
    Decision,
    LaidDown,
    Person,
    Policy,
    Provision,
    Subject,
)
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import HasTerm, HasWords, Not, Plan, PointedToBy, PointsTo
from fhir_server.search.phrases import Phrase, Some
from fhir_server.search.record import IndexRecord, reference_term, token_term
from fhir_server.storage.contract import (
    Delete,
    Draft,
    Expect,
    Expectation,
    OptOuts,
    Put,
    Refused,
    Store,
    Unchanged,
)
from fhir_server.storage.pages import HistoryScope, Part
from fhir_server.storage.sqlite import words
from fhir_server.storage.sqlite.scrub import scrub
from fhir_server.storage.sqlite.store import open_store
from fhir_server.storage.upkeep import Finding
from tests.policy.support import PURPOSES
from tests.storage.conftest import BACKENDS, ENFORCEMENT, NHS_NUMBER, START, ticking

RESEARCH, CARE = Audience("HRESCH"), Audience("TREAT")
ALL = Visibility.everything("test")
NUMBERS = {"ada": "9990000018", "grace": "9990000026", "twin": "9990000018"}
NO_RESEARCH = Provision("consent", "deny", "Consent/c", purposes=frozenset({"HRESCH"}))
DENY_ALL = Provision("consent", "deny", "Consent/c")
LABEL = token_term("_security", "urn:l", "MH")
EVERYTHING = Part(None, 0, 2**62)


CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
RESTRICTED, SEALED = (token_term("_security", CONFIDENTIALITY, each) for each in "RV")
EMERGENCY = Audience("BTG")


def sees(
    audience: Audience, at: int = START, emergency: frozenset[str] = frozenset()
) -> Visibility:
    return ALL.of_audience(audience, at=at, emergency=emergency)


def record(
    logical_id: str, *patients: str, terms: Sequence[str] = (), named: Sequence[str] = ()
) -> IndexRecord:
    refers = tuple(reference_term("patient", f"Patient/{each}") for each in patients)
    found = (*sorted({*refers, *terms}),)
    return IndexRecord(
        logical_id, found, (), (), START, patients, patients, named=tuple(sorted(named))
    )


def a_patient(name: str, number: str = "") -> Put:
    term = token_term("identifier", NHS_NUMBER, number or NUMBERS[name])
    own = IndexRecord(name, (term,), (), (), START, (name,), (name,))
    return Put(Draft(Key("Patient", name), b"", b"", own))


def an_observation(
    logical_id: str,
    *patients: str,
    kind: str = "Observation",
    label: bool = False,
    bears: Sequence[str] = (),
    named: Sequence[str] = (),
) -> Put:
    terms = (*((LABEL,) if label else ()), *bears)
    # In the content too: what is equal in that makes no new version.
    told = "".join((*patients, *named)) + "".join(
        "r" if each == RESTRICTED else "v" for each in bears
    )
    return Put(
        Draft(
            Key(kind, logical_id),
            b"",
            b'"of":"%b%d"' % (told.encode(), label),
            record(logical_id, *patients, terms=terms, named=named),
        )
    )


def a_consent(patient: str, *provisions: Provision, logical_id: str = "c") -> Put:
    laid_down = LaidDown(patient, provisions)
    number = patient.removeprefix("#")
    own = record(logical_id, patient) if number == patient else record(logical_id, named=(number,))
    rest = b'"said":"%b"' % repr(laid_down).encode()
    return Put(Draft(Key("Consent", logical_id), b"", rest, own, laid_down=laid_down))


async def write(store: Store, *ops: Put | Delete) -> None:
    await store.write(ops, atomic=False)


async def found(store: Store, sight: Visibility) -> set[str]:
    page = await store.search(sight, Plan(None), None, 100)
    assert (await store.count(sight, Plan(None))).number == len(page.rows)
    return {str(row.stored.key) for row in page.rows}


@pytest.fixture
async def ward(store: Store) -> Store:
    await write(
        store,
        *map(a_patient, ("ada", "grace")),
        an_observation("a", "ada"),
        an_observation("g", "grace"),
        an_observation("both", "ada", "grace"),
    )
    return store


async def test_an_opt_out_hides_all_that_tells_of_the_person(ward: Store) -> None:
    before = await found(ward, sees(RESEARCH))
    known = await ward.replace_opt_outs([NUMBERS["ada"]], as_of=START)

    assert before == {
        "Patient/ada",
        "Patient/grace",
        *(f"Observation/{e}" for e in ("a", "g", "both")),
    }
    assert await found(ward, sees(RESEARCH)) == {"Patient/grace", "Observation/g"}
    assert await found(ward, sees(CARE)) == before
    assert known == OptOuts(START, 1) == await ward.opt_outs()


async def test_people_are_known_by_their_numbers_whether_or_not_they_are_patients(
    ward: Store,
) -> None:
    stranger = "9990000034"
    await write(ward, a_patient("twin"), a_consent("twin", NO_RESEARCH))
    await ward.replace_opt_outs([NUMBERS["grace"], stranger], as_of=START)
    opted_out = Provision("opt-out", "deny", "register")

    assert await ward.people([*NUMBERS.values(), stranger, "9990000042"]) == {
        NUMBERS["ada"]: Person(("ada", "twin"), (NO_RESEARCH,)),
        NUMBERS["grace"]: Person(("grace",), (opted_out,)),
        stranger: Person((), (opted_out,)),
        "9990000042": Person(),
    }


@pytest.mark.parametrize("first", ["resource", "consent"])
async def test_who_is_named_by_a_number_alone_is_that_person(ward: Store, first: str) -> None:
    """In a Reference, or inside a contained Patient; whoever else the resource is about."""
    named = an_observation("named", "grace", named=(NUMBERS["ada"],))
    consent = a_consent("ada", NO_RESEARCH)
    await found(ward, sees(RESEARCH))
    await write(ward, *((named, consent) if first == "resource" else (consent, named)))
    by_consent = await found(ward, sees(RESEARCH))
    await write(ward, Delete(Key("Consent", "c")))
    permitted = await found(ward, sees(RESEARCH))
    await ward.replace_opt_outs([NUMBERS["ada"]], as_of=START)

    assert by_consent == {"Patient/grace", "Observation/g"}
    assert "Observation/named" in permitted
    assert await found(ward, sees(RESEARCH)) == {"Patient/grace", "Observation/g"}
    assert await found(ward, sees(CARE)) >= {"Observation/named"}


@pytest.mark.parametrize("first", ["patient", "consent"])
async def test_a_consent_of_who_has_a_number_is_every_patients_of_it(
    ward: Store, first: str
) -> None:
    """Whichever is written first; and it ends with the Consent, or with the number."""
    number = "9990000042"
    consent = a_consent(f"#{number}", NO_RESEARCH)
    patient = a_patient("new", number)
    await found(ward, sees(RESEARCH))
    await write(ward, *((patient, consent) if first == "patient" else (consent, patient)))
    denied = await found(ward, sees(RESEARCH))
    told = (await ward.people([number]))[number]
    await write(ward, Delete(Key("Consent", "c")))

    assert not {"Patient/new", "Consent/c"} & denied
    assert told == Person(("new",), (NO_RESEARCH,))
    assert "Patient/new" in await found(ward, sees(RESEARCH))
    assert await found(ward, sees(CARE)) >= {"Patient/new"}


async def test_who_is_no_patient_here_and_opted_out_is_told_of_to_nobody_else(ward: Store) -> None:
    stranger = "9990000034"
    await found(ward, sees(RESEARCH))
    await write(ward, an_observation("of", named=(stranger,)))
    before = await found(ward, sees(RESEARCH))
    await ward.replace_opt_outs(["999 000 0034"], as_of=START)

    assert "Observation/of" in before
    assert await found(ward, sees(RESEARCH)) == before - {"Observation/of"}
    assert (await ward.people([stranger]))[stranger].patients == ()


async def test_who_is_taken_off_the_register_is_seen_again(ward: Store) -> None:
    await ward.replace_opt_outs(NUMBERS.values(), as_of=START)
    nothing = await found(ward, sees(RESEARCH))
    await ward.replace_opt_outs([NUMBERS["grace"]], as_of=START + 1)

    assert nothing == set()
    assert await found(ward, sees(RESEARCH)) == {"Patient/ada", "Observation/a"}


async def test_each_way_to_read_obeys(ward: Store) -> None:
    key, plan = Key("Observation", "a"), Plan(frozenset({"Observation"}))
    await write(ward, an_observation("a", "grace"), an_observation("a", "ada"))
    sight = sees(RESEARCH)
    seen = (await ward.read(sight, key), await ward.read(sight, key, 1))
    await ward.replace_opt_outs([NUMBERS["ada"]], as_of=START)
    of_one = await ward.history(sight, HistoryScope("Observation", "a"), None, 10)
    of_all = await ward.history(sight, HistoryScope(), None, 100)
    scanned = [str(each.key) async for each in ward.scan(sight, EVERYTHING, await ward.now())]

    assert None not in seen
    assert await ward.read(sight, key) is None
    assert await ward.read(sight, key, 2) is None
    assert await ward.read_many(sight, [key]) == []
    assert [row.stored.key.id for row in (await ward.search(sight, plan, None, 9)).rows] == ["g"]
    assert (await ward.count(sight, plan)).number == 1
    assert of_one.versions == ()
    assert sorted(str(each.key) for each in of_all.versions) == ["Observation/g", "Patient/grace"]
    assert sorted(scanned) == ["Observation/g", "Patient/grace"]


async def test_a_past_version_of_a_denied_person_stays_hidden(ward: Store) -> None:
    await write(ward, an_observation("a", "grace"))
    await ward.replace_opt_outs([NUMBERS["ada"]], as_of=START)
    sight, key = sees(RESEARCH), Key("Observation", "a")
    history = await ward.history(sight, HistoryScope("Observation", "a"), None, 10)
    moment = await ward.now()
    scanned = [str(each.key) async for each in ward.scan(sight, EVERYTHING, moment - 1)]

    assert await ward.read(sight, key) is not None
    assert await ward.read(sight, key, 1) is None
    assert [each.version for each in history.versions] == [2]
    assert "Observation/a" not in scanned


async def test_joins_lead_nowhere_through_what_is_denied(ward: Store) -> None:
    number = HasTerm(token_term("identifier", NHS_NUMBER, NUMBERS["ada"]))
    chain = Plan(frozenset({"Observation"}), PointsTo("patient", "Patient", number))
    reverse = Plan(
        frozenset({"Patient"}),
        PointedToBy("Observation", "patient", "Patient", HasTerm("patient>Patient/ada")),
    )
    before = [(await ward.count(sees(RESEARCH), each)).number for each in (chain, reverse)]
    await ward.replace_opt_outs([NUMBERS["ada"]], as_of=START)

    assert before == [2, 2]
    assert [(await ward.count(sees(RESEARCH), each)).number for each in (chain, reverse)] == [0, 0]


@pytest.mark.parametrize("fresh", [0, 100])
async def test_what_is_denied_has_no_words(
    ward: Store, monkeypatch: pytest.MonkeyPatch, fresh: int
) -> None:
    monkeypatch.setattr(words, "FRESH", fresh)
    has = HasWords("content", Some((Phrase(("ada0",)), Phrase(("adagrace0",)))))
    plans = [Plan(frozenset({"Observation"}), each) for each in (has, Not(has))]
    before = [(await ward.count(sees(RESEARCH), each)).number for each in plans]
    await ward.replace_opt_outs([NUMBERS["ada"]], as_of=START)

    assert before == [2, 1]
    assert [(await ward.count(sees(RESEARCH), each)).number for each in plans] == [0, 1]
    assert [(await ward.count(sees(CARE), each)).number for each in plans] == [2, 1]


async def test_a_consent_takes_effect_with_its_write_and_ends_with_its_deletion(
    ward: Store,
) -> None:
    seen = await found(ward, sees(RESEARCH))
    await write(ward, a_consent("ada", NO_RESEARCH))
    denied = await found(ward, sees(RESEARCH))
    await write(ward, a_consent("grace", NO_RESEARCH))
    moved = await found(ward, sees(RESEARCH))
    await write(ward, Delete(Key("Consent", "c")))

    assert denied == {"Patient/grace", "Observation/g"}
    assert moved == {"Patient/ada", "Observation/a"}
    assert await found(ward, sees(RESEARCH)) == seen


async def test_a_consent_holds_from_its_first_moment_until_its_last(ward: Store) -> None:
    await write(ward, a_consent("ada", replace(NO_RESEARCH, since=START + 10, until=START + 20)))

    seen = [len(await found(ward, sees(RESEARCH, at))) for at in (START + 9, START + 10, START + 19, START + 20)]  # fmt: skip

    assert seen == [6, 2, 2, 6]


async def test_records_of_one_nhs_number_are_one_person(ward: Store) -> None:
    await write(ward, a_patient("twin"), an_observation("t", "twin"), a_consent("ada", NO_RESEARCH))
    together = await found(ward, sees(RESEARCH))
    apart = IndexRecord("twin", (), (), (), START, ("twin",), ("twin",))
    await write(ward, Put(Draft(Key("Patient", "twin"), b"", b'"x":1', apart)))

    assert together == {"Patient/grace", "Observation/g"}
    assert await found(ward, sees(RESEARCH)) == together | {"Patient/twin", "Observation/t"}


async def test_what_is_written_after_a_denial_is_denied_from_the_first(ward: Store) -> None:
    await ward.replace_opt_outs([NUMBERS["ada"]], as_of=START)
    await found(ward, sees(RESEARCH))
    await write(ward, an_observation("new", "ada"), an_observation("trio", "grace", "ada", "x"))

    assert await found(ward, sees(RESEARCH)) == {"Patient/grace", "Observation/g"}


async def test_an_exception_by_type_leaves_the_other_types_denied(ward: Store) -> None:
    may = Provision(
        "consent", "permit", "Consent/c", parent=DENY_ALL, kinds=frozenset({"Observation"})
    )
    await write(ward, an_observation("k", "ada", kind="Condition"), a_consent("ada", DENY_ALL, may))

    visible = await found(ward, sees(CARE))

    assert {"Observation/a", "Observation/both"} <= visible
    assert visible.isdisjoint({"Condition/k", "Patient/ada", "Consent/c"})


async def test_a_label_withholds_what_bears_it_alone(ward: Store) -> None:
    labelled = replace(DENY_ALL, labels=frozenset({LABEL}))
    await write(ward, an_observation("mh", "ada", label=True), a_consent("ada", labelled))

    visible = await found(ward, sees(CARE))

    assert "Observation/mh" not in visible
    assert "Observation/a" in visible


async def test_what_is_restricted_is_for_those_who_were_cleared_for_it(ward: Store) -> None:
    before = await found(ward, sees(CARE))
    await write(
        ward,
        an_observation("r", "ada", bears=(RESTRICTED,)),
        an_observation("v", "ada", bears=(SEALED,)),
        an_observation("place", kind="Location", bears=(RESTRICTED,)),
    )
    cleared = replace(CARE, clearances=frozenset({"restricted"}))

    assert await found(ward, sees(CARE)) == before
    assert await found(ward, sees(cleared)) == before | {"Observation/r", "Location/place"}
    assert await ward.read(sees(CARE), Key("Observation", "r")) is None


async def test_an_emergency_opens_the_record_of_its_person_and_no_other(ward: Store) -> None:
    await write(
        ward,
        an_observation("r", "ada", bears=(RESTRICTED,)),
        an_observation("v", "ada", bears=(SEALED,)),
        a_consent("ada", DENY_ALL),
        a_consent("grace", replace(DENY_ALL, origin="Consent/d"), logical_id="d"),
    )
    opened = sees(EMERGENCY, emergency=frozenset({"ada"}))

    assert await found(ward, sees(EMERGENCY)) == set()
    assert await found(ward, opened) == {
        "Patient/ada",
        "Observation/a",
        "Observation/r",
        "Consent/c",
    }
    assert await ward.read(opened, Key("Observation", "both")) is None
    assert await ward.read(opened, Key("Observation", "a")) is not None
    assert await found(ward, sees(CARE, emergency=frozenset({"nobody"}))) == set()


async def test_what_was_worked_out_by_other_rules_is_worked_out_anew(tmp_path: Path) -> None:
    strict = replace(ENFORCEMENT, rules=1)
    lax = replace(ENFORCEMENT, policy=Policy(PURPOSES), rules=2)
    seen = []
    for rules in (lax, strict, lax):
        async with open_store(tmp_path / "store.db", clock=ticking(), enforcement=rules) as opened:
            await write(opened, a_patient("ada"), an_observation("r", "ada", bears=(RESTRICTED,)))
            seen.append("Observation/r" in await found(opened, sees(CARE)))

    assert seen == [True, False, True]


async def test_a_decision_is_told_with_its_reasons(ward: Store) -> None:
    await write(ward, a_consent("ada", NO_RESEARCH))
    asked = [("Observation", "both"), ("Observation", "g"), ("Observation", "none")]

    told = [await ward.decision(Key(*each), RESEARCH, at=START) for each in asked]

    assert told == [
        Decision("deny", "consent:deny", ("Consent/c",)),
        Decision("permit", "default:research"),
        None,
    ]


async def test_what_is_of_nobody_is_not_for_other_uses_than_care(ward: Store) -> None:
    await write(ward, an_observation("stray"), an_observation("w", kind="Location"))

    assert "Observation/stray" in await found(ward, sees(CARE))
    assert {"Observation/stray", "Location/w"} & await found(ward, sees(RESEARCH)) == {"Location/w"}


async def test_a_precondition_sees_no_more_than_its_caller(ward: Store) -> None:
    await ward.replace_opt_outs([NUMBERS["ada"]], as_of=START)
    plan = Plan(frozenset({"Observation"}), HasTerm("patient>Patient/ada"))
    expectation = Expectation(sees(RESEARCH), plan, frozenset())
    (blind,) = await ward.write([Expect(expectation)], atomic=True)
    (sighted,) = await ward.write([Expect(replace(expectation, sight=ALL))], atomic=True)

    assert blind == Unchanged(None)
    assert isinstance(sighted, Refused)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM denial",
        "UPDATE denial SET until=until-1",
        "INSERT INTO denial SELECT audience, owner, 'Patient', since, until FROM denial",
        "DELETE FROM opt_out",
    ],
)
async def test_the_scrub_finds_denials_that_nobody_laid_down_and_those_that_are_missing(
    tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, clock=ticking(), enforcement=ENFORCEMENT) as store:
        await write(store, a_patient("ada"), an_observation("a", "ada"))
        await store.replace_opt_outs([NUMBERS["ada"]], as_of=START)
        await found(store, sees(RESEARCH))
    before = denials_found(path)
    connection = apsw.Connection(str(path))
    connection.execute(damage)
    connection.close()

    assert before == []
    assert "HRESCH" in denials_found(path)[0]


def denials_found(path: Path) -> list[str]:
    """Return what the scrub says of denials."""
    steps = scrub(path, lambda _: record("x"), enforcement=ENFORCEMENT)
    findings = [each for each in steps if isinstance(each, Finding)]
    return [each.problem for each in findings if each.subject == "table denial"]


PATIENTS = ("ada", "grace", "twin")
provisions = st.builds(
    Provision,
    st.just("consent"),
    st.sampled_from(("deny", "permit")),
    st.just("Consent/c"),
    since=st.sampled_from((-(2**62), START)),
    until=st.sampled_from((2**62, START + 10)),
    purposes=st.sampled_from((frozenset(), frozenset({"HRESCH"}), frozenset({"TREAT"}))),
    actors=st.sampled_from((frozenset(), frozenset({"Organization/gp"}))),
    kinds=st.sampled_from((frozenset(), frozenset(), frozenset({"Observation"}))),
    labels=st.sampled_from((frozenset(), frozenset(), frozenset({LABEL}))),
)
operations = st.one_of(
    st.builds(a_patient, st.sampled_from(PATIENTS)),
    st.builds(
        lambda number, people, kind, label, bears, named: an_observation(f"o{number}", *sorted(people), kind=kind, label=label, bears=bears, named=named),
        st.integers(0, 3),
        st.sets(st.sampled_from(PATIENTS), max_size=2),
        st.sampled_from(("Observation", "Condition", "Location")),
        st.booleans(),
        st.sampled_from(((), (), (), (RESTRICTED,), (SEALED,), (RESTRICTED, SEALED))),
        st.sampled_from(((), (), *((each,) for each in sorted(set(NUMBERS.values()))))),
    ),
    st.builds(
        lambda patient, rules, number: a_consent(patient, *(replace(e, origin=f"Consent/c{number}") for e in rules), logical_id=f"c{number}"),
        st.sampled_from(PATIENTS),
        st.lists(provisions, min_size=1, max_size=2),
        st.integers(0, 2),
    ),
    st.builds(lambda number: Delete(Key("Consent", f"c{number}")), st.integers(0, 2)),
    st.builds(lambda number: Delete(Key("Observation", f"o{number}")), st.integers(0, 3)),
    st.sets(st.sampled_from(sorted(set(NUMBERS.values()))), max_size=2),
)  # fmt: skip
audiences = st.builds(
    Audience,
    st.sampled_from(("HRESCH", "TREAT", "HOPERAT", "PUBHLTH", "HCOMPL")),
    st.sampled_from((frozenset(), frozenset({"Organization/gp"}))),
    st.booleans(),
    st.booleans(),
    st.sampled_from((frozenset(), frozenset({"restricted"}), frozenset({"very-restricted"}))),
)
emergencies = st.sampled_from((frozenset(), frozenset({"ada"}), frozenset({"ada", "grace"})))


async def done(store: Store, op: Put | Delete | set[str]) -> None:
    if isinstance(op, set):
        await store.replace_opt_outs(sorted(op), as_of=START)
    else:
        await write(store, op)


async def compare(backend: str, script: list[Put | Delete | set[str]], sight: Visibility) -> None:
    """Compare an audience that was known before the script with one that comes after it."""
    with tempfile.TemporaryDirectory() as early, tempfile.TemporaryDirectory() as late:
        async with BACKENDS[backend](Path(early)) as one, BACKENDS[backend](Path(late)) as other:
            await found(one, sight)
            for op in script:
                await done(one, op)
                await done(other, op)
            assert await found(one, sight) == await found(other, sight)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    script=st.lists(operations, max_size=10),
    audience=audiences,
    at=st.sampled_from((START, START + 10)),
)
def test_denials_kept_up_to_date_are_those_worked_out_at_the_end(
    backend: str, script: list[Put | Delete | set[str]], audience: Audience, at: int
) -> None:
    asyncio.run(compare(backend, script, sees(audience, at)))


@dataclass
class Model:
    """What the store should hold, in the plainest form; and whom it should show it to."""

    current: dict[Key, IndexRecord] = field(default_factory=dict)
    said: dict[Key, LaidDown] = field(default_factory=dict)
    opted_out: set[str] = field(default_factory=set)

    def take(self, op: Put | Delete | set[str]) -> None:
        """Do an operation."""
        match op:
            case Put(draft):
                self.current[draft.key] = draft.record
                if draft.laid_down is not None:
                    self.said[draft.key] = draft.laid_down
            case Delete(key):
                self.current.pop(key, None)
                self.said.pop(key, None)
            case numbers:
                self.opted_out = numbers

    def shown(self, sight: Visibility) -> set[str]:
        """Return what the decision permits, resource by resource, and person by person."""
        return {str(key) for key in self.current if self._permits(key, sight)}

    def _permits(self, key: Key, sight: Visibility) -> bool:
        own, audience = self.current[key], sight.audience
        assert audience is not None
        labels = frozenset(each for each in own.terms if each in {LABEL, RESTRICTED, SEALED})
        subject = Subject(key.type, labels, personal=key.type in ENFORCEMENT.personal)
        urgent = {each for patient in sight.emergency for each in self._same(patient)}
        asked = [
            ([self._about(each)], replace(audience, emergency=True) if each in urgent else audience)
            for each in own.people
        ]
        return all(
            ENFORCEMENT.policy.decide(people, who, subject, at=sight.at).effect == "permit"
            for people, who in asked or [([], audience)]
        )

    def _same(self, patient: str) -> set[str]:
        number = self._number(patient)
        alike = {each for each in PATIENTS if number and self._number(each) == number}
        return {patient, *alike, *({f"#{number}"} if number else ())}

    def _about(self, patient: str) -> list[Provision]:
        same = self._same(patient)
        found = [
            rule for laid in self.said.values() if laid.patient in same for rule in laid.provisions
        ]
        if self._number(patient) in self.opted_out:
            found.append(Provision("opt-out", "deny", "register"))
        return found

    def _number(self, patient: str) -> str | None:
        if patient.startswith("#"):
            return patient[1:]
        return NUMBERS[patient] if Key("Patient", patient) in self.current else None


async def shown(backend: str, script: list[Put | Delete | set[str]], sight: Visibility) -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        async with BACKENDS[backend](Path(folder)) as store:
            for number, op in enumerate(script):
                if number == len(script) // 2:
                    await found(store, sight)
                await done(store, op)
            return await found(store, sight)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    script=st.lists(operations, max_size=12),
    audience=audiences,
    at=st.sampled_from((START, START + 10)),
    emergency=emergencies,
)
def test_what_is_shown_is_what_the_decision_permits(
    backend: str,
    script: list[Put | Delete | set[str]],
    audience: Audience,
    at: int,
    emergency: frozenset[str],
) -> None:
    model = Model()
    for op in script:
        model.take(op)
    sight = sees(audience, at, emergency)

    assert asyncio.run(shown(backend, script, sight)) == model.shown(sight)
