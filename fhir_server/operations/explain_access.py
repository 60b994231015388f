"""`$explain-access`: what a caller would be answered, and why, for those who review access.

It decides by the same functions as a request: claims first, then the role, then what is held about the people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fhir_server.fhir.errors import BadRequest, Forbidden
from fhir_server.fhir.json import parse
from fhir_server.fhir.resource import LOGICAL_ID, Key, Resource
from fhir_server.interactions.addressing import absent, check_type
from fhir_server.interactions.call import Call
from fhir_server.operations.operation import ANY_TYPE, Invocation, Operation, Parameter, Told
from fhir_server.policy.access import Access
from fhir_server.policy.consents import read_consent
from fhir_server.policy.decision import Decision, Policy
from fhir_server.policy.disclosure import OVERSIGHT, Disclosure, Standing
from fhir_server.policy.rights import rights_of
from fhir_server.policy.scopes import parse_scopes
from fhir_server.policy.visibility import Visibility
from fhir_server.policy.wording import provision_in_words, rule_in_words

_CLAIMS = ("role", "purpose", "organisation", "programme")


@dataclass(frozen=True, slots=True)
class _Reason:
    """A step of the decision: what decided, and in words."""

    permits: bool
    rule: str
    words: str
    decided: Decision | None = None


async def explain_access(call: Call, asked: Invocation) -> Told:
    """Return what somebody with these claims would be answered on a resource; raise Forbidden, BadRequest or NotFound."""
    disclosure = _of_reviewer(call)
    key = _key(call, asked)
    who = _caller(asked)
    found = await _explained(call, disclosure, who, key, asked)
    parameters: list[Resource] = [
        {"name": "decision", "valueCode": "permit" if found.permits else "deny"},
        {"name": "rule", "valueString": found.rule},
        {"name": "words", "valueString": found.words},
        {"name": "resource", "valueReference": {"reference": str(key)}},
    ]
    because = () if found.decided is None else found.decided.because
    parameters += [{"name": "because", "part": await _because(call, each)} for each in because]
    return Told({"resourceType": "Parameters", "parameter": parameters})


def _of_reviewer(call: Call) -> Disclosure:
    disclosure, audience = call.disclosure, call.audience
    rule = disclosure.purposes.rule(audience.purpose) if disclosure and audience else None
    if disclosure is None or rule is None or rule.use != OVERSIGHT:
        raise Forbidden(
            "$explain-access is for those who review access, such as R0001 for the purpose HCOMPL"
        )
    return disclosure


def _key(call: Call, asked: Invocation) -> Key:
    if asked.id is not None:
        return asked.key
    kind, _, logical_id = (asked.value("resource") or "").partition("/")
    if not (kind and LOGICAL_ID.match(logical_id)):
        raise BadRequest("$explain-access needs resource=, a reference such as Observation/1")
    check_type(call, kind)
    return Key(kind, logical_id)


def _caller(asked: Invocation) -> Access:
    """Return somebody with the claims that were asked about, and all scopes."""
    given = {name: asked.value(name) for name in _CLAIMS}
    patient = asked.value("patient")
    if given["purpose"] is None:
        raise BadRequest("$explain-access needs purpose=, a code of v3-ActReason such as TREAT")
    scopes = "patient/*.cruds" if patient else "user/*.cruds"
    return Access("", "", parse_scopes(scopes), patient=patient, **given)


async def _explained(
    call: Call, disclosure: Disclosure, who: Access, key: Key, asked: Invocation
) -> _Reason:
    try:
        standing = disclosure.standing(who, rights_of(who))
    except Forbidden as refusal:
        return _Reason(permits=False, rule="claims", words=str(refusal))
    decided = await call.store.decision(key, standing.audience, at=asked.now)
    if decided is None:
        raise absent(key)
    if refused := _beyond_role(standing, key):
        return refused
    assert disclosure.tables is not None, "who reviews has a role"
    policy = Policy(disclosure.purposes, labels=disclosure.tables.labels)
    permits = decided.effect == "permit"
    return _Reason(permits, decided.rule, rule_in_words(policy, decided), decided)


def _beyond_role(standing: Standing, key: Key) -> _Reason | None:
    """Return why the role is not shown such a resource, None where it is."""
    sight, counted = standing.rights.sight("r"), standing.rights.counted
    if sight.permits_type(key.type):
        return None
    if counted is not None and counted.permits_type(key.type):
        words = f"{standing.role} is told numbers of {key.type} for this purpose, and no records."
        return _Reason(permits=False, rule="numbers", words=words)
    words = f"{standing.role} does not see {key.type} for this purpose."
    return _Reason(permits=False, rule="role", words=words)


async def _because(call: Call, origin: str) -> Sequence[Resource]:
    """Return what a decision rests on: a Consent and its provisions, or the register."""
    kind, _, logical_id = origin.partition("/")
    if kind != "Consent":
        return [{"name": "words", "valueString": "The national register of opt-outs."}]
    sight = Visibility.system("to explain a decision")
    found = await call.store.read(sight, Key(kind, logical_id))
    told: list[Resource] = [{"name": "consent", "valueReference": {"reference": origin}}]
    body = b"" if found is None else found.body or b""
    told += [{"name": "words", "valueString": each} for each in _provisions(call, body)]
    return told


def _provisions(call: Call, body: bytes) -> Iterator[str]:
    if body:
        extractor = call.extractor
        read = read_consent(parse(body), zone=extractor.zone, base_url=extractor.base_url)
        yield from map(provision_in_words, read.provisions)
        yield from read.problems


EXPLAIN_ACCESS = Operation(
    name="explain-access",
    url="https://example.org/fdp/OperationDefinition/explain-access",
    levels=("system", "instance"),
    types=(ANY_TYPE,),
    parameters=tuple(Parameter(each) for each in ("resource", "patient", *_CLAIMS)),
    run=explain_access,
    rights="r",
)
