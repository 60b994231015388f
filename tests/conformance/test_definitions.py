"""The R4 definitions under `profiles/r4`: where they come from, what they hold, when they are read."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from fhir_server.conformance.definitions import Definitions
from tests.support.data import ROOT, package

R4 = ROOT / "profiles" / "r4"


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return Definitions(R4)


def compile_definitions(source: Path, output: Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "compile_definitions.py"
    return subprocess.run(
        [sys.executable, str(script), str(source), "--output", str(output)],
        check=False,
        capture_output=True,
        text=True,
    )


def files_under(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["Paitent", "patient", "", "../search/Patient", "source.json"])
def test_a_name_that_is_no_type_is_refused(definitions: Definitions, name: str) -> None:
    with pytest.raises(KeyError):
        definitions.type(name)


def test_a_package_of_another_fhir_version_is_refused(tmp_path: Path) -> None:
    r5 = tmp_path / "r5.tgz"
    content = (
        b'{"resourceType": "StructureDefinition", "kind": "resource", "id": "Patient",'
        b' "name": "Patient", "url": "http://hl7.org/fhir/StructureDefinition/Patient",'
        b' "fhirVersion": "5.0.0", "abstract": false, "snapshot": {"element": []}}'
    )
    with tarfile.open(r5, "w:gz") as archive:
        member = tarfile.TarInfo("package/StructureDefinition-Patient.json")
        member.size = len(content)
        archive.addfile(member, BytesIO(content))

    done = compile_definitions(r5, tmp_path / "out")

    assert done.returncode == 1
    assert "expected FHIR 4.0.1 definitions, found ['5.0.0']" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_package_that_is_not_there_is_refused_in_one_line(tmp_path: Path) -> None:
    done = compile_definitions(tmp_path / "absent.tgz", tmp_path / "out")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_the_published_package_gives_the_same_bytes_again(tmp_path: Path) -> None:
    done = compile_definitions(package("hl7.fhir.r4.core.tgz"), tmp_path)

    assert done.returncode == 0, done.stderr
    written, kept = files_under(tmp_path), files_under(R4)
    assert written.keys() == kept.keys()
    assert [name for name in written if written[name] != kept[name]] == []


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "r4"
    definitions = Definitions(folder)
    (folder / "types").mkdir(parents=True)
    (folder / "types" / "Patient.json").write_bytes((R4 / "types" / "Patient.json").read_bytes())

    patient = definitions.type("Patient")

    assert patient.name == "Patient"
    with pytest.raises(KeyError):
        definitions.type("Observation")


def test_a_type_is_read_once(definitions: Definitions) -> None:
    assert definitions.type("Patient") is definitions.type("Patient")
    assert definitions.search_parameters("Patient") is definitions.search_parameters("Patient")


def test_r4_has_146_concrete_resource_types(definitions: Definitions) -> None:
    types = definitions.resource_types

    assert len(types) == 146
    assert not types & {"Resource", "DomainResource", "Element", "HumanName"}
    assert all(not definitions.type(name).abstract for name in types)


def test_every_type_can_be_read(definitions: Definitions) -> None:
    names = {path.stem for path in (R4 / "types").glob("*.json")}

    assert {definitions.type(name).name for name in names} == names


def test_every_type_that_an_element_names_is_there(definitions: Definitions) -> None:
    names = {path.stem for path in (R4 / "types").glob("*.json")}
    missing = {
        (name, path, element.name, each.code)
        for name in names
        for path, group in definitions.type(name).elements.items()
        for element in group
        for each in element.types
        if each.code not in names
    }

    # The narrative's div is XHTML, which R4 names as a type and defines elsewhere.
    assert missing <= {("Narrative", "Narrative", "div", "xhtml")}


@pytest.mark.parametrize(
    "code", ["_id", "_lastUpdated", "_profile", "_tag", "_security", "_source"]
)
def test_every_type_has_the_search_parameters_of_every_resource(
    definitions: Definitions, code: str
) -> None:
    without = {
        name
        for name in definitions.resource_types
        if code not in definitions.search_parameters(name)
    }

    assert without == set()


def test_a_search_parameter_is_narrowed_to_its_type(definitions: Definitions) -> None:
    parameter = definitions.search_parameters("Immunization")["date"]

    assert parameter.type == "date"
    assert parameter.expression == "Immunization.occurrence"
    assert parameter.url == "http://hl7.org/fhir/SearchParameter/clinical-date"


def test_the_components_of_a_composite_are_parameters_of_its_type(definitions: Definitions) -> None:
    missing = {
        (name, parameter.code, component.definition)
        for name in definitions.resource_types
        for parameter in definitions.search_parameters(name).values()
        for component in parameter.components
        if component.definition
        not in {each.url for each in definitions.search_parameters(name).values()}
    }

    assert missing == set()


def test_a_compartment_names_parameters_that_its_types_have(definitions: Definitions) -> None:
    # `{def}` is R4's own word for: a resource belongs to the compartment that it is.
    unknown = {
        (compartment, name, code)
        for compartment, members in definitions.compartments.items()
        for name, codes in members.items()
        for code in codes
        if code not in {"{def}", *definitions.search_parameters(name)}
    }

    assert unknown == set()
    assert definitions.compartments["Patient"]["Observation"] == ("subject", "performer")


def test_there_are_five_compartments(definitions: Definitions) -> None:
    expected = {"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"}

    assert set(definitions.compartments) == expected


def test_a_required_value_set_lists_its_codes(definitions: Definitions) -> None:
    codes = definitions.value_sets["http://hl7.org/fhir/ValueSet/administrative-gender"]

    assert codes == {
        "http://hl7.org/fhir/administrative-gender": {"male", "female", "other", "unknown"}
    }
