"""What this server can do, told from the same lists that serve the requests.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from fhir_server.conformance.definitions import Definitions, SearchParameter
from fhir_server.fhir.resource import Resource

_PROFILE = "http://hl7.org/fhir/StructureDefinition/"
_COMPARTMENT = "http://hl7.org/fhir/CompartmentDefinition/"
_SECURITY_SERVICES = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_WHOLE = frozenset(("_filter", "_text", "_content"))
"""Parameters that are served, and have no expression: they look at all of a resource."""

_WRITING = frozenset({"create", "update", "patch", "delete"})

_CONDITIONAL = (
    ("create", {"conditionalCreate": True}),
    ("read", {"conditionalRead": "full-support"}),
    ("update", {"conditionalUpdate": True}),
    ("delete", {"conditionalDelete": "single"}),
)


@dataclass(frozen=True, slots=True)
class Interactions:
    """The codes of the interactions that are served on each type, and on the whole system.

    `compartments` tells whether searches in these are served; `operations` gives those of a type, the URL
    of the definition by name, `everywhere` those of the system and of each type. Of the `read_only` types nothing is written.
    `told` is what people should know of them besides.
    `extensions` tell what R4 has no element for.
    """

    each_type: tuple[str, ...]
    system: tuple[str, ...]
    compartments: bool = False
    operations: Callable[[str], Mapping[str, str]] = lambda _: {}
    everywhere: Mapping[str, str] = field(default_factory=dict)
    read_only: frozenset[str] = frozenset()
    told: str | None = None
    extensions: Sequence[Resource] = ()

    def of_type(self, name: str) -> tuple[str, ...]:
        """Return those that are served on one type."""
        if name not in self.read_only:
            return self.each_type
        return tuple(each for each in self.each_type if each not in _WRITING)


@dataclass(frozen=True, slots=True)
class Software:
    """Which software this is, since when (an instant), and where."""

    version: str
    date: str
    base_url: str


@dataclass(frozen=True, slots=True)
class Security:
    """Who may call: pages of other origins or not, and with a token of whom.

    `oauth_uris` are the endpoints of the issuer of tokens, by name; None where no tokens are asked for.
    """

    cross_origin: bool = False
    oauth_uris: Mapping[str, str] | None = None


def capability_statement(
    definitions: Definitions,
    *,
    types: Collection[str],
    interactions: Interactions,
    software: Software,
    security: Security,
) -> Resource:
    """Return the CapabilityStatement of a server that serves these types and interactions."""
    names = sorted(types)
    includes = _includes(definitions, names)
    revincludes = _revincludes(definitions, names)
    return {
        "resourceType": "CapabilityStatement",
        "name": "FhirServer",
        "title": "An open FHIR R4 server",
        "status": "active",
        "date": software.date,
        "kind": "instance",
        "software": {"name": "fhir-server", "version": software.version},
        "implementation": {"description": "A FHIR R4 node", "url": software.base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml", "json", "xml"],
        "patchFormat": [
            "application/json-patch+json",
            "application/fhir+json",
            "application/fhir+xml",
        ],
        "rest": [
            {
                **({"extension": [*interactions.extensions]} if interactions.extensions else {}),
                "mode": "server",
                **({"documentation": interactions.told} if interactions.told else {}),
                "security": {"cors": security.cross_origin, **_smart(security.oauth_uris)},
                "resource": [
                    _of_type(
                        definitions, name, interactions, includes[name], revincludes.get(name, [])
                    )
                    for name in names
                ],
                "interaction": [{"code": each} for each in interactions.system],
                **_operations(interactions.everywhere),
                **_compartments(definitions, interactions, names),
            }
        ],
    }


def _smart(oauth_uris: Mapping[str, str] | None) -> Resource:
    """Return that tokens are asked for, and where they come from, if the two needed addresses are known.

    https://hl7.org/fhir/smart-app-launch/1.0.0/conformance/
    """
    if oauth_uris is None:
        return {}
    told: Resource = {
        "service": [{"coding": [{"system": _SECURITY_SERVICES, "code": "SMART-on-FHIR"}]}]
    }
    if {"authorize", "token"} <= oauth_uris.keys():
        uris = [{"url": name, "valueUri": uri} for name, uri in oauth_uris.items()]
        told["extension"] = [{"url": _OAUTH_URIS, "extension": uris}]
    return told


def _compartments(
    definitions: Definitions, interactions: Interactions, names: Sequence[str]
) -> Resource:
    served = [each for each in sorted(definitions.compartments) if each in names]
    if not (interactions.compartments and served):
        return {}
    return {"compartment": [_COMPARTMENT + each.lower() for each in served]}


def _of_type(
    definitions: Definitions,
    name: str,
    interactions: Interactions,
    includes: Sequence[str],
    revincludes: Sequence[str],
) -> Resource:
    """Return what is served on one type; an empty list is left out, as JSON in FHIR demands."""
    served = interactions.of_type(name)
    told: Resource = {
        "type": name,
        "profile": _PROFILE + name,
        "interaction": [{"code": each} for each in served],
        "versioning": "versioned-update",
        "readHistory": "vread" in served,
        "updateCreate": "update" in served,
    }
    for code, claim in _CONDITIONAL:
        if code in served:
            told |= claim
    told["referencePolicy"] = ["literal", "logical"]
    if "search-type" in served:
        told["searchInclude"] = ["*", *includes]
        told["searchRevInclude"] = ["*", *revincludes]
        told["searchParam"] = [
            {"name": each.code, "definition": each.url, "type": each.type}
            for each in served_parameters(definitions, name)
        ]
    told |= _operations(interactions.operations(name))
    return {key: value for key, value in told.items() if value not in ([], None)}


def _operations(urls: Mapping[str, str]) -> Resource:
    told = [{"name": name, "definition": url} for name, url in sorted(urls.items())]
    return {"operation": told} if told else {}


def served_parameters(definitions: Definitions, resource_type: str) -> Sequence[SearchParameter]:
    """Return the search parameters of a type that this server answers, in order."""
    known = definitions.search_parameters(resource_type)
    return [each for code, each in sorted(known.items()) if each.expression or code in _WHOLE]


def _includes(definitions: Definitions, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    return {
        name: [f"{name}:{each.code}" for each in _references(definitions, name)] for name in names
    }


def _revincludes(definitions: Definitions, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return by target type what refers to it."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for parameter in _references(definitions, name):
            for target in parameter.targets or names:
                found[target].append(f"{name}:{parameter.code}")
    return found


def _references(definitions: Definitions, name: str) -> Sequence[SearchParameter]:
    return [each for each in served_parameters(definitions, name) if each.type == "reference"]
