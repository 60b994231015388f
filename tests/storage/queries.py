"""Random query strings: any parameter that is served, its modifiers and prefixes, chains, orders and compartments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from json import dumps
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
    "List": ("status", "code", "subject", "patient", "item"),
    "Location": ("name", "partof", "organization"),
    "Resource": (),
}  # fmt: skip
"""The parameters whose elements the random resources have, and `_tag` and the like of all."""

HIERARCHIES = {("Organization", "partof"), ("Location", "partof"), ("Patient", "organization")}
"""The references along which parts are followed."""

SHARED = (
    "Patient,Observation",
    "Observation,RiskAssessment",
    "Organization,Location",
    "List,Observation",
)
"""Types that are searched together by what they share."""

SPECIAL: dict[str, list[tuple[str, str]]] = {
    "Location": [("near", each) for each in ("54|-1.9", "54|-1.9|20|km", "-33.9|151|5|[mi_i]")],
}

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
    "of-type": [f"{a}|{b}|{c}" for a in SYSTEMS for b in ("a", "b") for c in ("a", "b", "zz")],
    "identifier": ["a", "b", "zz", *(f"{system}|a" for system in SYSTEMS), f"{SYSTEMS[0]}|"],
    "exact": [*WORDS, "smith"],
    "contains": ["mit", "th", "rien", "der", "ü", "zz"],
    "text": [
        "smith",
        "smithe OR berg",
        "van berg",
        '"der berg"',
        "straße,müller",
        "not smith",
        "ber",
    ],
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
    special = [st.sampled_from(each) for each in (LISTS, SPECIAL.get(kind, [])) if each]
    return st.one_of(*filled, any_of_them, two, *special, *_by_modifier(kind))


def _by_modifier(kind: str) -> Iterator[st.SearchStrategy[_Pair]]:
    """Yield for each modifier what may be asked with it by the parameters that are filled."""
    asked: dict[str, list[_Pair]] = {}
    for code in _filled(kind):
        for name, value in asked_by(kind, _parameters(kind)[code]):
            if modifier := name.partition(":")[2]:
                asked.setdefault(modifier, []).append((name, value))
    yield from map(st.sampled_from, asked.values())


@lru_cache
def _likely(kind: str) -> st.SearchStrategy[_Pair]:
    """Return what many resources of a type satisfy: at the end of a chain most else finds nothing."""
    present = [(f"{code}:missing", "false") for code in FILLED[kind]]
    return st.sampled_from([*present, *(("_id", each) for each in ("1", "2,3", "1,3"))])


LISTS = [("_list", each) for each in (*IDS, "1,3", "9")]
BY_FUNCTION = ("_list", "$current-problems")

_OPERATORS = {
    "token": ("eq", "ne"),
    "string": ("eq", "ne", "co", "sw", "ew", "gt", "le"),
    "date": ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "po"),
    "number": ("eq", "ne", "gt", "le", "ap"),
    "quantity": ("eq", "ne", "lt", "ge"),
    "uri": ("eq", "ne", "co", "sw"),
    "reference": ("re",),
}
_BARE = {"date": DATES, "number": NUMBERS, "quantity": NUMBERS}


@lru_cache
def _comparisons(kind: str) -> st.SearchStrategy[str]:
    """Return comparisons of the filter language by the parameters that are filled."""
    known = _parameters(kind)
    found = [
        f"{code} {operator} {dumps(value)}"
        for code in _filled(kind)
        if known[code].type in _OPERATORS
        for operator in _OPERATORS[known[code].type]
        for value in _BARE.get(known[code].type, _values(kind, known[code]))
    ]
    return st.one_of(
        st.sampled_from(found),
        st.sampled_from(_filled(kind)).map(lambda code: f"{code} pr true"),
    )


@lru_cache
def _filters(kind: str) -> st.SearchStrategy[_Pair]:
    """Return filters of one comparison or two."""
    one = _comparisons(kind)
    forms = st.sampled_from(("{0}", "not ({0})", "{0} and {1}", "{0} or {1}", "{0} or not ({1})"))
    return st.tuples(forms, one, one).map(
        lambda parts: ("_filter", parts[0].replace("{0}", parts[1]).replace("{1}", parts[2]))
    )


@lru_cache
def _of_all(types: str) -> st.SearchStrategy[_Pair]:
    """Return what several types can be asked together, by what they share."""
    kind = types.partition(",")[0]
    asked = (asked_by(kind, _parameters(kind)[each]) for each in _shared(types))
    return st.one_of(*map(st.sampled_from, asked))


def _shared(types: str) -> list[str]:
    first, *others = types.split(",")
    return [each for each in FILLED[first] if all(each in FILLED[other] for other in others)]


def features(asked: Asked) -> set[str]:
    """Return what a search is made of, by the name that the specification has for it."""
    found = {name for name, _ in asked.pairs if name in {"_sort", "_type", "_filter", "near"}}
    found |= {"compartment"} if asked.owner else set()
    for name, value in asked.pairs:
        code, _, modifier = name.rpartition(":")
        if name.startswith("_has:") or "._has:" in name:
            found.add("_has")
        elif "." in name:
            found.add("chain")
        elif name == "_list":
            found.add("_list by function" if value.startswith("$") else "_list")
        elif code:
            found.add(":[type]" if modifier[0].isupper() else f":{modifier}")
        elif asked.kind is None and not name.startswith("_"):
            found.add("several types")
    return found


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
    if (kind, code) in HIERARCHIES:
        modified += [(f"{code}:{side}", each) for side in ("below", "above") for each in IDS]
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
def searches_of_links() -> list[Asked]:
    """Return each link from a type to another with what many satisfy, each list, place and group of types."""
    chained = [
        Asked(kind, ((prefix + name, value),))
        for kind in CONTENT
        for prefix, target in _links(kind)
        for name, value in (("_id", "1,3"), (f"{FILLED[target][0]}:missing", "false"))
    ]
    listed = [Asked(kind, (pair,)) for kind in (*CONTENT, None) for pair in LISTS]
    by_function = [Asked("Observation", (("patient", each), BY_FUNCTION)) for each in IDS]
    special = [Asked(kind, (pair,)) for kind, pairs in SPECIAL.items() for pair in pairs]
    together = [
        Asked(None, (pair, ("_type", types)))
        for types in SHARED
        for code in _shared(types)
        for pair in _plain(types.partition(",")[0], code)
    ]
    hierarchies = [
        Asked(kind, ((f"{code}:{side}", each),))
        for kind, code in HIERARCHIES
        for side in ("below", "above")
        for each in IDS
    ]
    return [*chained, *listed, *by_function, *special, *together, *hierarchies]


def _plain(kind: str, code: str) -> list[_Pair]:
    return asked_by(kind, _parameters(kind)[code])[:9]


@lru_cache
def _chained(kind: str, links: int) -> st.SearchStrategy[_Pair]:
    """Return what may be asked of a type, so many links away at most."""
    if not links:
        return st.one_of(_criteria(kind), _likely(kind))
    on = [
        st.builds(_prefixed, st.just(prefix), _chained(target, links - 1))
        for prefix, target in _links(kind)
    ]
    own = _criteria(kind) if links == LINKS else st.one_of(_criteria(kind), _likely(kind))
    return st.sampled_from((own, own, st.one_of(on))).flatmap(_itself)


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
    if draw(st.sampled_from((True, False, False, False))):
        return draw(st.sampled_from(searches_of_links()))
    kind: str | None = draw(st.sampled_from((*CONTENT, "Observation", "Patient", None, None)))
    name = kind or "Resource"
    types = draw(st.sampled_from(("", "Patient", *SHARED))) if kind is None else ""
    criteria = _chained(name, LINKS if kind else 0)
    if "," in types:
        criteria = st.one_of(_of_all(types), criteria)
    elif kind:
        criteria = st.sampled_from((criteria,) * 7 + (_filters(kind),)).flatmap(_itself)
    pairs = [draw(criteria) for _ in range(draw(st.sampled_from((1, 1, 1, 2, 2, 0))))]
    if order := draw(_orders(name)):
        pairs.append(("_sort", order))
    if types:
        pairs.append(("_type", types))
    if kind == "Observation" and draw(st.sampled_from((True, *[False] * 9))):
        pairs += [("patient", draw(st.sampled_from(IDS))), BY_FUNCTION]
    of_patients = kind in {"Observation", "Patient"} or (kind is None and not types)
    owner = draw(st.sampled_from((*[None] * 9, *IDS))) if of_patients else None
    return Asked(kind, tuple(pairs), Key("Patient", owner) if owner else None)
