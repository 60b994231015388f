"""`Consent/$not-computed`: the active Consents that are not applied as they were meant, and why.

Other uses than care are denied by what cannot be computed, and one that names nobody is applied to nobody: in both
cases somebody has to ask what was meant.
"""

from __future__ import annotations

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Issue
from fhir_server.interactions.call import Call
from fhir_server.operations.operation import Invocation, Listed, Operation
from fhir_server.operations.oversight import reviewing
from fhir_server.policy.consents import read_consent
from fhir_server.search.expression import Plan
from fhir_server.search.filtering import known_parameters, predicate
from fhir_server.search.parameter_types.criterion import Surroundings
from fhir_server.storage.pages import Row

NAME = "not-computed"
READ_AT_ONCE = 500
"""How many active Consents are looked through for a page: of which it may show none."""


async def not_computed(call: Call, asked: Invocation) -> Listed:
    """Return a page of them, each with what is wrong; raise Forbidden for who does not review access."""
    reviewing(call, NAME)
    around = Surroundings(asked.now, call.extractor.zone, call.base_url)
    active = predicate(known_parameters(call.definitions, "Consent"), "status", "active", around)
    plan = Plan(frozenset({"Consent"}), active)
    page = await call.store.search(call.sight, plan, asked.after, READ_AT_ONCE)
    found = [(row, issues) for row in page.rows if (issues := _issues(call, row))]
    return Listed(
        tuple(row for row, _ in found),
        next=page.next,
        issues=tuple(each for _, issues in found for each in issues),
    )


def _issues(call: Call, row: Row) -> tuple[Issue, ...]:
    extractor = call.extractor
    consent = parse(row.stored.body or b"{}")
    read = read_consent(consent, zone=extractor.zone, base_url=extractor.base_url)
    return tuple(Issue("warning", "not-supported", each) for each in read.problems)


NOT_COMPUTED = Operation(
    name=NAME,
    url="https://example.org/fdp/OperationDefinition/Consent-not-computed",
    levels=("type",),
    types=("Consent",),
    parameters=(),
    run=not_computed,
)
