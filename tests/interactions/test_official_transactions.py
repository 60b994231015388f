"""The transactions among the official examples: https://hl7.org/fhir/R4/bundle-examples.html."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping, Sequence

import pytest

from fhir_server.fhir.errors import NotSupported
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.resource import Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.entries import ReadEntry
from fhir_server.interactions.outcomes import Deleted, Saved
from fhir_server.interactions.references import references_in
from fhir_server.interactions.transaction import EntryResult, transaction
from tests.interactions.builders import a_patient, body, put
from tests.support.data import package


@pytest.fixture(scope="module")
def examples() -> Mapping[str, bytes]:
    """Read the official examples that these tests are about, by name."""
    names = {f"package/Bundle-{name}.json": name for name in ("bundle-transaction", "hla-1", "xds")}
    with tarfile.open(package("hl7.fhir.r4.examples-4.0.1.tgz")) as archive:
        return {
            names[each.name]: file.read()
            for each in archive
            if each.name in names and (file := archive.extractfile(each))
        }


def bodies(results: Sequence[EntryResult]) -> list[Resource]:
    """Return what the entries saved, parsed."""
    return [body(each.outcome.stored) for each in results if isinstance(each.outcome, Saved)]


async def test_an_operation_within_a_transaction_is_refused(
    call: Call, examples: Mapping[str, bytes]
) -> None:
    with pytest.raises(NotSupported, match=r"entry\[7\].*\$lookup") as refused:
        await transaction(call, parse_resource(examples["bundle-transaction"]))

    assert refused.value.expression == "Bundle.entry[7]"


async def test_the_example_of_all_methods(call: Call, examples: Mapping[str, bytes]) -> None:
    bundle = parse_resource(examples["bundle-transaction"])
    bundle["entry"] = [each for each in bundle["entry"] if "$" not in each["request"]["url"]]
    await put(call, a_patient(resource_id="123a"))
    await put(call, a_patient(resource_id="123a", active=True))
    await put(call, a_patient(resource_id="234"))

    results = await transaction(call, bundle)

    assert [type(each.outcome) for each in results] == [Saved] * 5 + [Deleted] * 2 + [ReadEntry] * 2


async def test_every_reference_of_the_genomics_example_is_rewritten(
    call: Call, examples: Mapping[str, bytes]
) -> None:
    bundle = parse_resource(examples["hla-1"])
    sent = {each["fullUrl"] for each in bundle["entry"]}

    written = bodies(await transaction(call, bundle))

    referred = {each for one in written for each in references_in(one)}
    addresses = {f"{each['resourceType']}/{each['id']}" for each in written}
    assert len(addresses) == 22
    assert len(addresses & referred) == 21
    assert not sent & referred


async def test_the_attachment_of_the_document_example_is_rewritten(
    call: Call, examples: Mapping[str, bytes]
) -> None:
    document, *_, binary = bodies(await transaction(call, parse_resource(examples["xds"])))

    assert document["content"][0]["attachment"]["url"] == f"Binary/{binary['id']}"
    # Its fullUrl is a urn, so a relative reference is one to this server, not to an entry.
    assert document["subject"] == {"reference": "Patient/a2"}
