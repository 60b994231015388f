"""HL7's own cases for FHIRPath on R4, as they are in `tests-fhir-r4.xml`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lxml import etree


@dataclass(frozen=True, slots=True)
class OfficialCase:
    """One expression with its input and what it should give; `invalid` says which kind of error."""

    id: str
    expression: str
    input: str | None
    outputs: tuple[tuple[str | None, str], ...]
    invalid: str | None
    strict: bool
    predicate: bool
    ordered: bool


def official_cases(file: Path) -> list[OfficialCase]:
    """Return all cases; those of the same name are told apart by a number."""
    names: Counter[str] = Counter()
    found = []
    for group in etree.parse(file).getroot().iter("group"):
        for test in group.iter("test"):
            name = f"{group.get('name')}/{test.get('name')}"
            names[name] += 1
            number = f" #{names[name]}" if names[name] > 1 else ""
            found.append(_case(test, name + number))
    return found


def _case(test: etree._Element, name: str) -> OfficialCase:
    expression = test.find("expression")
    assert expression is not None
    outputs = tuple((each.get("type"), each.text or "") for each in test.findall("output"))
    return OfficialCase(
        id=name,
        expression=expression.text or "",
        input=test.get("inputfile"),
        outputs=outputs,
        invalid=expression.get("invalid"),
        strict=test.get("mode") == "strict",
        predicate=test.get("predicate") == "true",
        ordered=test.get("ordered") != "false",
    )


def in_order(body: bytes) -> bytes:
    """Return HL7's observation with its extensions where XML has them: our reader refuses another order."""
    resource = etree.fromstring(body)
    extensions = resource.findall("{http://hl7.org/fhir}extension")
    text = resource.find("{http://hl7.org/fhir}text")
    if text is not None:
        for each in extensions:
            text.addnext(each)
    return etree.tostring(resource)
