"""What members can answer together, and who of them answers what: told in the CapabilityStatement of the hub. Pure.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fhir_server.federation.dividing import Answering, answering
from fhir_server.federation.members import Capabilities
from fhir_server.fhir.resource import Resource

SUPPORT = "https://example.org/fdp/StructureDefinition/federation-support"
"""An extension on a search parameter: a member that does not declare it, and who answers it instead."""

_READS = (
    "What one member has is searched at [base]/[member]/[type], and read at [base]/[member]/[type]/[id], with _history "
    "and _history/[vid] below it; "
    "[base]/[member]/metadata is what that member declares itself."
)


def told_by_member(statement: Resource, members: Mapping[str, Capabilities]) -> Resource:
    """Return the statement of a hub with who answers what, by the capabilities of its members."""
    (rest,) = statement["rest"]
    resources = [_resource(each, members) for each in rest["resource"]]
    return statement | {"rest": [rest | {"documentation": _READS, "resource": resources}]}


def _resource(resource: Resource, members: Mapping[str, Capabilities]) -> Resource:
    name = resource["type"]
    searching = {each: known for each, known in members.items() if known.searches(name)}
    found = resource | {"documentation": f"Searched at {_listed(sorted(searching))}."}
    parameters = [_parameter(name, each, searching) for each in resource.get("searchParam", ())]
    unserved = _unserved(name, resource, searching)
    if unserved:
        found["documentation"] += (
            f" Members declare parameters that are not served here: {', '.join(unserved)}."
        )
    return found | ({"searchParam": parameters} if parameters else {})


def _parameter(
    resource_type: str, parameter: Resource, searching: Mapping[str, Capabilities]
) -> Resource:
    by: dict[Answering, list[str]] = {"member": [], "hub": [], "self-link": []}
    for member, known in sorted(searching.items()):
        by[answering(parameter["name"], resource_type, known)].append(member)
    others = [(kind, each) for kind in ("hub", "self-link") for each in by[kind]]
    if not others:
        return parameter
    return parameter | {
        "extension": [_support(kind, each) for kind, each in others],
        "documentation": _said(by),
    }


def _support(answered_by: str, member: str) -> Resource:
    parts = [
        {"url": "member", "valueString": member},
        {"url": "answeredBy", "valueCode": answered_by},
    ]
    return {"url": SUPPORT, "extension": parts}


def _said(by: Mapping[Answering, Sequence[str]]) -> str:
    said = []
    if by["member"]:
        said.append(f"Answered by {_listed(by['member'])}.")
    if by["hub"]:
        said.append(
            f"This server looks at it on what {_listed(by['hub'])} answer without it, where a resource shows it by itself; "
            "else they are told as unsupported."
        )
    if by["self-link"]:
        said.append(
            f"Asked of {_listed(by['self-link'])}, and counted as answered where their self link has it; "
            "else they are told as unsupported."
        )
    return " ".join(said)


def _unserved(
    name: str, resource: Resource, searching: Mapping[str, Capabilities]
) -> Sequence[str]:
    served = {each["name"] for each in resource.get("searchParam", ())}
    declared = {code for known in searching.values() for code in known.types[name]}
    return sorted(code for code in declared - served if not code.startswith("_"))


def _listed(names: Collection[str]) -> str:
    return ", ".join(names)
