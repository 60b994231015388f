"""Tests of the decision: the table that people review, an oracle of its own over the small domain, and laws."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.policy.decision import Audience, Policy, Provision, Subject
from fhir_server.policy.labels import label
from tests.policy.support import LABELS, PURPOSES

POLICY = Policy(PURPOSES, labels=LABELS)
STALE = Policy(PURPOSES, opt_outs_current=False, labels=LABELS)
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
NOW = 1_000
GP, CLINIC, PROJECT = "Organization/gp", "Organization/clinic", "ResearchStudy/p"
RESTRICTED, SEALED = (
    Subject("Observation", frozenset({label(CONFIDENTIALITY, each)})) for each in "RV"
)
TABOO = Subject(
    "Observation",
    frozenset({label("http://terminology.hl7.org/CodeSystem/v3-ActCode", "TBOO")}),
)
OBSERVATION, WARD = Subject("Observation"), Subject("Location", personal=False)

OPT_OUT = Provision("opt-out", "deny", "register")
S_FLAG = Provision("restriction", "deny", "Flag/s")
COURT = Provision("order", "permit", "order/1")
DENY_ALL = Provision("consent", "deny", "Consent/all")
CLINIC_MAY = Provision(
    "consent",
    "permit",
    "Consent/all",
    parent=DENY_ALL,
    actors=frozenset({CLINIC}),
    kinds=frozenset({"Observation"}),
)
PROJECT_MAY = Provision(
    "consent", "permit", "Consent/r", purposes=frozenset({"HRESCH"}), actors=frozenset({PROJECT})
)
ANYONE_MAY = Provision("consent", "permit", "Consent/any")
NO_RESEARCH = Provision("consent", "deny", "Consent/no", purposes=frozenset({"HRESCH"}))
ENDED = replace(NO_RESEARCH, until=NOW)
TO_COME = replace(NO_RESEARCH, since=NOW + 1)
UNREADABLE = Provision("consent", "deny", "Consent/odd", secondary=True)
NO_MENTAL_HEALTH = replace(DENY_ALL, origin="Consent/label", labels=frozenset({"MH"}))


@dataclass(frozen=True)
class Row:
    """One line of the table: what it says, and what follows."""

    says: str
    facts: tuple[Provision, ...]
    purpose: str
    rule: str
    actors: tuple[str, ...] = (GP,)
    exempt: bool = False
    emergency: bool = False
    policy: Policy = POLICY
    subject: Subject = OBSERVATION
    cleared: tuple[str, ...] = ()


DENIED = [
    Row("nobody may have it for marketing, even by order", (COURT,), "HMARKT", "forbidden:marketing"),
    Row("nobody may have it for insurance", (ANYONE_MAY,), "ELIGVER", "forbidden:insurance"),
    Row("a purpose that nobody knows permits nothing", (), "FUN", "unknown-purpose"),
    Row("who opted out is left out of research", (OPT_OUT,), "HRESCH", "opt-out:deny"),
    Row("… and of planning", (OPT_OUT,), "HQUALIMP", "opt-out:deny"),
    Row("population health across organisations is planning", (OPT_OUT,), "POPHLTH", "opt-out:deny"),
    Row("an exemption does not lift what the person said", (OPT_OUT, NO_RESEARCH), "HRESCH", "consent:deny", exempt=True),
    Row("a restriction withholds from care too", (S_FLAG,), "TREAT", "restriction:deny"),
    Row("an emergency does not lift a restriction", (S_FLAG,), "BTG", "restriction:deny", emergency=True),
    Row("a Consent that denies all denies care", (DENY_ALL,), "TREAT", "consent:deny"),
    Row("the exception is for that clinic alone", (DENY_ALL, CLINIC_MAY), "TREAT", "consent:deny"),
    Row("the exception is for that type alone", (DENY_ALL, CLINIC_MAY), "TREAT", "consent:deny", (CLINIC,), subject=Subject("Condition")),
    Row("of two Consents the denial overrides", (ANYONE_MAY, NO_RESEARCH), "HRESCH", "consent:deny", exempt=True),
    Row("a consent to nothing in particular is none to research", (OPT_OUT, ANYONE_MAY), "HRESCH", "opt-out:deny"),
    Row("a consent to one project is none to another", (OPT_OUT, PROJECT_MAY), "HRESCH", "opt-out:deny"),
    Row("what cannot be computed denies other uses", (UNREADABLE,), "HOPERAT", "consent:deny"),
    Row("a register that is out of date denies", (), "HRESCH", "opt-out:out-of-date", policy=STALE),
    Row("what is restricted is withheld from care too", (), "TREAT", "label:restricted", subject=RESTRICTED),
    Row("… whatever the person permits", (ANYONE_MAY,), "TREAT", "label:restricted", subject=RESTRICTED),
    Row("another clearance is none", (), "TREAT", "label:restricted", subject=RESTRICTED, cleared=("violence",)),
    Row("an emergency does not open what is sealed", (), "BTG", "label:very-restricted", emergency=True, subject=SEALED),
    Row("an emergency lifts nothing for research", (), "HRESCH", "label:restricted", emergency=True, subject=RESTRICTED),
    Row("a clearance does not lift what the person said", (DENY_ALL,), "TREAT", "consent:deny", subject=RESTRICTED, cleared=("restricted",)),
    Row("oversight does not open what was withheld from everyone", (S_FLAG,), "HCOMPL", "restriction:deny"),
    Row("who names the own request denies that", (replace(DENY_ALL, purposes=frozenset({"PATRQT"})),), "FAMRQT", "consent:deny"),
    Row("what is not to be told before a talk is not told to the person", (), "PATRQT", "label:taboo", subject=TABOO),
    Row("a label that was named is denied", (NO_MENTAL_HEALTH,), "TREAT", "consent:deny", subject=Subject("Observation", frozenset({"MH"}))),
]  # fmt: skip

PERMITTED = [
    Row("care is permitted", (), "TREAT", "default:direct-care"),
    Row("research is permitted where nothing denies it", (), "HRESCH", "default:research"),
    Row("an opt-out is not about care", (OPT_OUT,), "TREAT", "default:direct-care"),
    Row("… nor about public health", (OPT_OUT,), "THREAT", "default:public-health"),
    Row("a programme may be exempt", (OPT_OUT,), "HRESCH", "default:research", exempt=True),
    Row("an exempt programme needs no register", (), "HRESCH", "default:research", exempt=True, policy=STALE),
    Row("the clinic that is excepted may", (DENY_ALL, CLINIC_MAY), "TREAT", "consent:permit", (CLINIC,)),
    Row("a consent to this project lifts the opt-out", (OPT_OUT, PROJECT_MAY), "HRESCH", "consent:permit", (PROJECT,)),
    Row("… and to purposes below the one named", (OPT_OUT, PROJECT_MAY), "CLINTRCHPC", "consent:permit", (PROJECT,)),
    Row("a Consent that has ended is none", (ENDED,), "HRESCH", "default:research"),
    Row("a Consent that is to come is none", (TO_COME,), "HRESCH", "default:research"),
    Row("an emergency lifts what the person said", (DENY_ALL,), "BTG", "break-glass", emergency=True),
    Row("an order lifts a restriction", (S_FLAG, COURT), "TREAT", "order:permit"),
    Row("what cannot be computed does not stand in the way of care", (UNREADABLE,), "TREAT", "default:direct-care"),
    Row("what is restricted is for who was cleared", (), "TREAT", "default:direct-care", subject=RESTRICTED, cleared=("restricted",)),
    Row("… or in an emergency", (DENY_ALL,), "ETREAT", "break-glass", emergency=True, subject=RESTRICTED),
    Row("who sees that Consents are obeyed sees what they are about", (DENY_ALL, OPT_OUT), "HCOMPL", "default:oversight"),
    Row("who denies all does not mean the own eyes", (DENY_ALL, OPT_OUT, UNREADABLE), "PATRQT", "default:own-request"),
    Row("a label that is not there is not denied", (NO_MENTAL_HEALTH,), "TREAT", "default:direct-care"),
    Row("an out-of-date register does not stand in the way of care", (), "TREAT", "default:direct-care", policy=STALE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "effect"),
    [(each, "deny") for each in DENIED] + [(each, "permit") for each in PERMITTED],
    ids=lambda each: each.says if isinstance(each, Row) else each,
)
def test_the_table_holds(row: Row, effect: str) -> None:
    audience = Audience(
        row.purpose, frozenset(row.actors), row.exempt, row.emergency, frozenset(row.cleared)
    )

    decided = row.policy.decide([row.facts], audience, row.subject, at=NOW)

    assert (decided.effect, decided.rule) == (effect, row.rule)


def test_what_concerns_nobody_is_for_care_unless_it_can_tell_of_nobody() -> None:
    research, care = Audience("HRESCH"), Audience("TREAT")

    assert POLICY.decide([], research, OBSERVATION, at=NOW).rule == "nobody-to-ask"
    assert POLICY.decide([], research, WARD, at=NOW).effect == "permit"
    assert POLICY.decide([], care, OBSERVATION, at=NOW).effect == "permit"


def test_one_of_several_people_is_enough_to_deny() -> None:
    decided = POLICY.decide([(), (OPT_OUT,)], Audience("HRESCH"), OBSERVATION, at=NOW)

    assert (decided.effect, decided.because) == ("deny", ("register",))


def test_a_decision_names_what_it_rests_on() -> None:
    facts = (NO_RESEARCH, replace(NO_RESEARCH, origin="Consent/2"), ENDED)

    assert POLICY.decide([facts], Audience("HRESCH"), OBSERVATION, at=NOW).because == (
        "Consent/2",
        "Consent/no",
    )


FACTS = (
    OPT_OUT, S_FLAG, COURT, DENY_ALL, CLINIC_MAY, PROJECT_MAY, ANYONE_MAY, NO_RESEARCH, ENDED, UNREADABLE, NO_MENTAL_HEALTH,
)  # fmt: skip
ASKED = [
    (Audience(purpose, frozenset(actors), exempt, emergency, cleared), subject, policy)
    for cleared in (frozenset[str](), frozenset({"restricted"}))
    for purpose in ("TREAT", "BTG", "HRESCH", "CLINTRCH", "HOPERAT", "PUBHLTH", "HMARKT", "FUN")
    for actors in ((), (GP,), (CLINIC,), (PROJECT,))
    for exempt, emergency in product((False, True), repeat=2)
    for subject in (OBSERVATION, Subject("Condition", frozenset({"MH"})), RESTRICTED)
    for policy in (POLICY, STALE)
]


def expected(facts: Collection[Provision], who: Audience, what: Subject, policy: Policy) -> bool:
    """Say in other words whether it is permitted: by cases over the facts above."""
    care = who.purpose in {"TREAT", "BTG"}
    research = who.purpose in {"HRESCH", "CLINTRCH"}
    if who.purpose in {"HMARKT", "FUN"}:
        return False
    if COURT in facts:
        return True
    if S_FLAG in facts:
        return False
    if what is RESTRICTED and not (who.clearances or (who.emergency and care)):
        return False
    if who.emergency and care:
        return True
    at_clinic = CLINIC in who.actors and what.kind == "Observation"
    lifted = CLINIC_MAY in facts and at_clinic and care
    # An exception stands for its Consent even where the Consent's own denial was not recorded beside it.
    denials = [
        DENY_ALL in facts and not lifted,
        NO_RESEARCH in facts and research,
        UNREADABLE in facts and not care,
        NO_MENTAL_HEALTH in facts and "MH" in what.labels,
    ]
    if any(denials):
        return False
    permits = [
        lifted,
        PROJECT_MAY in facts and research and PROJECT in who.actors,
        ANYONE_MAY in facts and care,
    ]
    if any(permits) or care or who.purpose == "PUBHLTH" or who.exempt:
        return True
    return policy is POLICY and OPT_OUT not in facts


@pytest.mark.parametrize("size", range(4))
def test_each_combination_is_decided_as_other_words_for_it_say(size: int) -> None:
    for facts in combinations(FACTS, size):
        for who, what, policy in ASKED:
            decided = policy.decide([facts], who, what, at=NOW)
            assert (decided.effect == "permit") is expected(facts, who, what, policy), (
                facts,
                who,
                what,
                decided,
            )


some_facts = st.lists(st.sampled_from(FACTS), max_size=6)
asked = st.sampled_from(ASKED)


@settings(max_examples=500)
@given(facts=some_facts, case=asked, order=st.randoms(use_true_random=False))
def test_the_order_of_the_facts_makes_no_difference(
    facts: list[Provision], case: tuple[Audience, Subject, Policy], order: object
) -> None:
    who, what, policy = case
    shuffled = list(facts)
    order.shuffle(shuffled)  # type: ignore[attr-defined]

    assert policy.decide([facts], who, what, at=NOW) == policy.decide([shuffled], who, what, at=NOW)


@settings(max_examples=500)
@given(facts=some_facts, case=asked)
def test_what_has_ended_or_is_to_come_is_as_if_absent(
    facts: list[Provision], case: tuple[Audience, Subject, Policy]
) -> None:
    who, what, policy = case
    idle = [
        changed
        for each in FACTS
        for changed in (replace(each, until=NOW), replace(each, since=NOW + 1))
    ]

    assert policy.decide([facts], who, what, at=NOW) == policy.decide(
        [[*facts, *idle]], who, what, at=NOW
    )


@settings(max_examples=500)
@given(
    facts=some_facts,
    case=asked,
    denial=st.sampled_from([each for each in FACTS if each.effect == "deny"]),
)
def test_one_more_denial_never_permits(
    facts: list[Provision], case: tuple[Audience, Subject, Policy], denial: Provision
) -> None:
    who, what, policy = case
    before = policy.decide([facts], who, what, at=NOW)
    after = policy.decide([[*facts, denial]], who, what, at=NOW)

    assert not (before.effect == "deny" and after.effect == "permit")


@settings(max_examples=500)
@given(one=some_facts, other=some_facts, case=asked)
def test_several_people_get_what_each_of_them_would(
    one: list[Provision], other: list[Provision], case: tuple[Audience, Subject, Policy]
) -> None:
    who, what, policy = case

    def permits(people: Iterable[Collection[Provision]]) -> bool:
        return policy.decide(list(people), who, what, at=NOW).effect == "permit"

    assert permits([one, other]) is (permits([one]) and permits([other]))
