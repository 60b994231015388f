"""Random query strings: any parameter that is served, its modifiers and prefixes, chains, orders and compartments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from hypothesis import strategies as st

from fhir_server.conformance.capability import served_parameters
from fhir_server.conformance.definitions import SearchParameter
from fhir_server.fhir.resource import Key
from fhir_server.search.compartments import within
from fhir_server.search.expression import Plan
from fhir_server.search.parameter_types.composite import components
from fhir_server.search.parameter_types.criterion import escape
from fhir_server.search.parameter_types.modifiers import ANY_TYPE, modifiers_of
from fhir_server.search.parameter_types.prefix import PREFIXES
from fhir_server.search.parsing import parse_query
from tests.search.support import BASE, DEFINITIONS, NOW
from tests.storage.resources import (
    ADDRESSES,
    CODES,
    CONTENT,
    DATES,
    IDS,
    NUMBERS,
    SYSTEMS,
    UCUM,
    WORDS,
)

LINKS = 2
"""How many hops a chain may have."""

FILLED = {
    "Observation": (
        "code", "category", "status", "subject", "patient", "performer", "has-member", "date",
        "value-quantity", "value-concept", "value-string", "value-date", "combo-code",
        "combo-value-quantity", "code-value-quantity", "code-value-concept", "code-value-string",
        "code-value-date", "component-code-value-quantity", "combo-code-value-quantity",
        "identifier",
    ),
    "Patient": (
        "name", "family", "given", "gender", "active", "birthdate", "address", "address-city",
        "telecom", "email", "phone", "identifier", "organization", "link", "deceased",
    ),
    "Organization": ("name", "identifier", "type", "partof"),
    "RiskAssessment": ("subject", "patient", "date", "probability"),
    "ValueSet": (
        "url", "version", "date", "title", "context", "context-type", "context-quantity",
        "context-type-quantity", "context-type-value",
    ),
    "Resource": (),
}  # fmt: skip
"""The parameters whose elements the random resources have, and `_tag` and the like of all."""

COMMON = ("_id", "_lastUpdated", "_tag", "_profile")


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as it arrives: of a type or of all, perhaps in a compartment."""

    kind: str | None
    pairs: tuple[tuple[str, str], ...]
    owner: Key | None = None

    def plan(self) -> Plan:
        """Return what the store is asked for; raise a FhirError for what is refused."""
        query = parse_query(self.kind, self.pairs, DEFINITIONS, now=NOW, base_url=BASE)
        return query.plan if self.owner is None else within(query.plan, self.owner, DEFINITIONS)


_Pair: TypeAlias = tuple[str, str]

_BASES = ("", f"{BASE}/", "http://other.example/fhir/")
_TARGETS = ("Patient", "Organization", "Observation", "Group")
_CODES = [*map(escape, CODES), "zz"]
_ORDERED = ("", *PREFIXES)
_UNITS = ("", "||mg", "||milligram", f"|{UCUM}|mg", f"|{UCUM}|g", "||zz")
_TOKENS = [
    *_CODES,
    *(f"{system}|{code}" for system in ("", *SYSTEMS) for code in _CODES),
    *(f"{system}|" for system in SYSTEMS),
    *("true", "false", "female", "male"),
]
_VALUES: dict[str, list[str]] = {
    "token": _TOKENS,
    "string": [word[start:end] for word in WORDS for start in (0, 2) for end in (3, 5, 99)],
    "reference": [
        *IDS,
        *(f"{base}{each}/{own}" for base in _BASES for each in _TARGETS for own in (*IDS, "9")),
    ],
    "uri": [*ADDRESSES, "http://a.example", f"{ADDRESSES[0]}/deeper"],
    "date": [prefix + each for prefix in _ORDERED for each in DATES],
    "number": [prefix + each for prefix in _ORDERED for each in NUMBERS],
    "quantity": [
        prefix + each + unit for prefix in _ORDERED for each in NUMBERS for unit in _UNITS
    ],
}
_COMBINATIONS = 500
_OF_MODIFIER = {
    "missing": ["true", "false"],
    "of-type": [f"{a}|{b}|{c}" for a in SYSTEMS for b in _CODES for c in _CODES],
    "identifier": _TOKENS,
    ANY_TYPE: [*IDS],
}


@lru_cache
def _parameters(kind: str) -> dict[str, SearchParameter]:
    """Return the parameters of a type whose values are of a type of their own."""
    served = served_parameters(DEFINITIONS, kind)
    return {each.code: each for each in served if each.type != "special"}


@lru_cache
def _criteria(kind: str) -> st.SearchStrategy[_Pair]:
    """Return what may be asked of a type by its own parameters, by those that are filled the most."""
    known = _parameters(kind)
    filled = [st.sampled_from(asked_by(kind, known[each])) for each in _filled(kind)]
    any_of_them = st.sampled_from(sorted(known)).flatmap(
        lambda code: st.sampled_from(asked_by(kind, known[code]))
    )
    two = st.sampled_from(_filled(kind)).flatmap(lambda code: _of_two(kind, known[code]))
    return st.one_of(*filled, any_of_them, two)


def _filled(kind: str) -> tuple[str, ...]:
    return *FILLED[kind], *COMMON


def _of_two(kind: str, parameter: SearchParameter) -> st.SearchStrategy[_Pair]:
    """Return a parameter with alternatives."""
    values = st.sampled_from(_values(kind, parameter))
    return st.tuples(st.just(parameter.code), st.tuples(values, values).map(",".join))


def asked_by(kind: str, parameter: SearchParameter) -> list[_Pair]:
    """Return the names and values by which a parameter may be asked."""
    code, values = parameter.code, _values(kind, parameter)
    modified = [
        (f"{code}:{name}", value)
        for modifier in modifiers_of(parameter)
        for name in ((parameter.targets or _TARGETS) if modifier == ANY_TYPE else (modifier,))
        for value in _OF_MODIFIER.get(modifier, values)
    ]
    return [*((code, each) for each in values), *modified]


def _values(kind: str, parameter: SearchParameter) -> list[str]:
    if parameter.code == "_id":
        return [*IDS]
    if parameter.type != "composite":
        return _VALUES[parameter.type]
    parts = components(parameter, DEFINITIONS.search_parameters(kind))
    return ["$".join(each) for each in _some_of_all([_VALUES[each.type] for each in parts])]


def _some_of_all(columns: list[list[str]]) -> Iterator[list[str]]:
    """Yield combinations in which each value occurs, beside ever others."""
    for number in range(_COMBINATIONS):
        yield [each[number * step % len(each)] for step, each in enumerate(columns, 1)]


def searches_of_one_parameter() -> list[Asked]:
    """Return each search by one value of one parameter that is filled."""
    return [
        Asked(kind, (pair,))
        for kind in CONTENT
        for code in _filled(kind)
        for pair in asked_by(kind, _parameters(kind)[code])
    ]


@lru_cache
def _chained(kind: str, links: int) -> st.SearchStrategy[_Pair]:
    """Return what may be asked of a type, so many links away at most."""
    if not links:
        return _criteria(kind)
    on = [
        st.builds(_prefixed, st.just(prefix), _chained(target, links - 1))
        for prefix, target in _links(kind)
    ]
    return st.sampled_from((_criteria(kind), _criteria(kind), st.one_of(on))).flatmap(_itself)


def _itself(strategy: st.SearchStrategy[_Pair]) -> st.SearchStrategy[_Pair]:
    return strategy


def _prefixed(prefix: str, pair: _Pair) -> _Pair:
    return prefix + pair[0], pair[1]


def _links(kind: str) -> Iterator[tuple[str, str]]:
    """Yield what leads from a type to another, along the references that are filled."""
    for target in CONTENT:
        for each in _references_of(kind):
            if target in each.targets:
                yield f"{each.code}:{target}.", target
                yield f"{each.code}.", target
        for each in _references_of(target):
            if kind in each.targets:
                yield f"_has:{target}:{each.code}:", target


def _references_of(kind: str) -> list[SearchParameter]:
    known = _parameters(kind)
    return [known[each] for each in FILLED[kind] if known[each].type == "reference"]


@lru_cache
def _orders(kind: str) -> st.SearchStrategy[str]:
    """Return orders, by one key or two; most often none."""
    codes = [*FILLED[kind], "_id", "_lastUpdated"]
    keys = [
        sign + code
        for code in codes
        for sign in ("", "-")
        if _parameters(kind)[code].type != "composite"
    ]
    one = st.sampled_from(keys)
    return st.one_of(st.just(""), st.just(""), one, st.tuples(one, one).map(",".join))


@st.composite
def searches(draw: st.DrawFn) -> Asked:
    """Return a search of one type, of all, or in a compartment."""
    kind: str | None = draw(st.sampled_from((*CONTENT, "Observation", "Patient", None)))
    name = kind or "Resource"
    criteria = _chained(name, LINKS if kind else 0)
    pairs = [draw(criteria) for _ in range(draw(st.sampled_from((1, 1, 1, 2, 2, 0))))]
    if order := draw(_orders(name)):
        pairs.append(("_sort", order))
    if kind is None and (types := draw(st.sampled_from(("", "Patient", "Patient,Observation")))):
        pairs.append(("_type", types))
    of_patients = kind in {None, "Observation", "Patient"}
    owner = draw(st.sampled_from((*[None] * 9, *IDS))) if of_patients else None
    return Asked(kind, tuple(pairs), Key("Patient", owner) if owner else None)
