"""The XML form on what others wrote: every official example comes back as it was."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.errors import FhirError
from fhir_server.fhir.json import dump, parse_resource
from fhir_server.fhir.xml import parse_xml, to_xml
from tests.support.data import package, shared_data

R4 = Definitions(Path(__file__).resolve().parents[2] / "profiles" / "r4")


@pytest.mark.parametrize("digits", ["1", "1.00", "-0", "0.0", "-0.10", "1E+2"])
def test_a_decimal_is_the_same_in_both_forms(digits: str) -> None:
    body = f'{{"resourceType":"Observation","valueQuantity":{{"value":{digits}}}}}'.encode()

    written = to_xml(parse_resource(body), R4)

    assert f'<value value="{digits}"/>'.encode() in written
    assert dump(parse_xml(written, R4)) == body


def test_others_documents_broken_ones_among_them_are_read_or_refused() -> None:
    read = 0
    for path in sorted(shared_data().rglob("*.xml")):
        try:
            found = parse_xml(path.read_bytes(), R4)
        except FhirError:
            continue
        read += 1
        assert dump(parse_xml(to_xml(found, R4), R4)) == dump(found), path.name

    assert read > 100


# Each fortieth in the short run.
STEP = 1 if os.environ.get("FHIR_TEST_LONG") else 40


def test_each_official_example_comes_back_from_xml_with_its_digits_and_its_narrative() -> None:
    count = 0
    for name, body in examples():
        resource = parse_resource(body)

        for written in (to_xml(resource, R4), to_xml(resource, R4, pretty=True)):
            found = parse_xml(written, R4)
            assert dump(in_one_order(found)) == dump(in_one_order(resource)), name
        count += 1

    assert count >= 5300 // STEP


def examples() -> Iterator[tuple[str, bytes]]:
    """Yield the official examples, each STEPth of them, with their names."""
    index = 0
    with tarfile.open(package("hl7.fhir.r4.examples-4.0.1.tgz")) as archive:
        for entry in archive:
            name = entry.name.removeprefix("package/")
            if "/" in name or not name.endswith(".json") or name in {"package.json", ".index.json"}:
                continue
            index += 1
            file = archive.extractfile(entry)
            if index % STEP == 0 and file:
                yield name, file.read()


def in_one_order(value: Any) -> Any:
    """Return a value with the members of objects sorted: JSON gives them no order."""
    match value:
        case dict():
            return {key: in_one_order(value[key]) for key in sorted(value)}
        case list():
            return [in_one_order(each) for each in value]
        case _:
            return value
