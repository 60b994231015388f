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
from fhir_server.operations.claimants import PARAMETERS, Claimant, claimant
from fhir_server.operations.operation import ANY_TYPE, Invocation, Operation, Parameter, Told
from fhir_server.operations.oversight import reviewing
from fhir_server.policy.consents import read_consent
from fhir_server.policy.criteria import SearchReader
from fhir_server.policy.decision import Decision, Policy
from fhir_server.policy.disclosure import Disclosure, Standing
from fhir_server.policy.rights import Rights, rights_of
from fhir_server.policy.visibility import Visibility
from fhir_server.policy.wording import provision_in_words, rule_in_words


@dataclass(frozen=True, slots=True)
class _Reason:
    """A step of the decision: what decided, and in words."""

    permits: bool
    rule: str
    words: str
    decided: Decision | None = None


async def explain_access(call: Call, asked: Invocation) -> Told:
    """Return what somebody would be answered on a resource; raise Forbidden, BadRequest or NotFound."""
    disclosure = reviewing(call, "explain-access")
    key = _key(call, asked)
    who = await claimant(call, asked)
    await _check_may_ask(call, who, key)
    found = await _explained(call, disclosure, who, key, asked)
    parameters: list[Resource] = [
        {"name": "decision", "valueCode": "permit" if found.permits else "deny"},
        {"name": "rule", "valueString": found.rule},
        {"name": "words", "valueString": found.words},
        {"name": "resource", "valueReference": {"reference": str(key)}},
        {"name": "caller", "part": list(_told(who))},
    ]
    because = () if found.decided is None else found.decided.because
    parameters += [{"name": "because", "part": await _because(call, each)} for each in because]
    return Told({"resourceType": "Parameters", "parameter": parameters})


async def _check_may_ask(call: Call, who: Claimant, key: Key) -> None:
    """Raise Forbidden where the answer would tell what a resource holds to a reviewer who does not see it."""
    if not who.access.scopes.narrowed or await call.store.read(call.sight, key) is not None:
        return
    raise Forbidden(
        f"Whether scopes with search parameters reach {key} would tell what it holds: you do not see it"
    )


def _key(call: Call, asked: Invocation) -> Key:
    if asked.id is not None:
        return asked.key
    kind, _, logical_id = (asked.value("resource") or "").partition("/")
    if not (kind and LOGICAL_ID.match(logical_id)):
        raise BadRequest("$explain-access needs resource=, a reference such as Observation/1")
    check_type(call, kind)
    return Key(kind, logical_id)


def _told(who: Claimant) -> Iterator[Resource]:
    """Yield the claims that were decided by: of an account, its own."""
    for name in ("role", "purpose", "organisation", "programme", "patient"):
        value = getattr(who.access, name)
        if value is not None:
            yield {"name": name, "valueString": value}


async def _explained(
    call: Call, disclosure: Disclosure, who: Claimant, key: Key, asked: Invocation
) -> _Reason:
    try:
        standing = await _standing(call, disclosure, who, now=asked.now)
    except Forbidden as refusal:
        return _Reason(permits=False, rule="claims", words=str(refusal))
    decided = await call.store.decision(key, standing.audience, at=asked.now)
    if decided is None:
        raise absent(key)
    if refused := await _beyond_rights(call, who, standing, key):
        return refused
    assert disclosure.tables is not None, "who reviews has a role"
    policy = Policy(disclosure.purposes, labels=disclosure.tables.labels)
    permits = decided.effect == "permit"
    return _Reason(permits, decided.rule, rule_in_words(policy, decided), decided)


async def _standing(call: Call, disclosure: Disclosure, who: Claimant, *, now: int) -> Standing:
    """Return what the claims come to; raise Forbidden where nothing would be looked up for them."""
    if who.refused:
        raise Forbidden(who.refused)
    standing = disclosure.standing(who.access, rights_of(who.access))
    if standing.rule.opt_out and not standing.audience.exempt:
        known = await call.store.opt_outs()
        as_of = None if known is None else known.as_of
        disclosure.check_register(standing.rule, as_of, now=now)
    return standing


async def _beyond_rights(call: Call, who: Claimant, standing: Standing, key: Key) -> _Reason | None:
    """Return why scopes and role do not reach a resource, None where they do."""
    if not await _reached(call, rights_of(who.access), key):
        words = f"The scopes do not reach {key}."
        return _Reason(permits=False, rule="scopes", words=words)
    if await _reached(call, standing.rights, key):
        return None
    counted = standing.rights.counted
    if counted is not None and counted.permits_type(key.type):
        words = f"{standing.role} is told numbers of {key.type} for this purpose, and no records."
        return _Reason(permits=False, rule="numbers", words=words)
    seen = standing.rights.sight("r").permits_type(key.type)
    told = f"{key}, which is not of the own record" if seen else key.type
    words = f"{standing.role} does not see {told} for this purpose."
    return _Reason(permits=False, rule="role", words=words)


async def _reached(call: Call, rights: Rights, key: Key) -> bool:
    """Tell whether rights reach a resource, whatever people denied: asked of the store, as a request is."""
    reader = SearchReader(call.definitions, call.extractor, call.base_url)
    sight = rights.read_by(reader).sight("r")
    return sight.permits_type(key.type) and await call.store.read(sight, key) is not None


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
    parameters=tuple(Parameter(each) for each in ("resource", *PARAMETERS)),
    run=explain_access,
    rights="r",
)
