"""`SearchParameter/$status`: how far each search parameter besides R4's is on its way to being searched by."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.fhir.resource import Resource
from fhir_server.interactions.call import Call
from fhir_server.operations.operation import Invocation, Operation, Parameter, Told
from fhir_server.search.catalogue import Catalogue, Entry, unpacked


async def status(call: Call, asked: Invocation) -> Told:
    """Return a Parameters resource with one parameter for each search parameter and base."""
    catalogue = unpacked((await call.store.catalogue()).content)
    url, code = asked.value("url"), asked.value("code")
    found: list[Resource] = [
        {"name": "searchParameter", "part": list(_parts(catalogue, each))}
        for each in catalogue.entries
        if url in {None, each.url} and code in {None, each.code}
    ]
    return Told({"resourceType": "Parameters", **({"parameter": found} if found else {})})


def _parts(catalogue: Catalogue, entry: Entry) -> Iterator[Resource]:
    """Yield what there is to tell of one; what it lacks is left out."""
    for name, kind, value in (
        ("url", "valueUri", entry.url),
        ("code", "valueCode", entry.code),
        ("base", "valueCode", entry.base),
        ("source", "valueString", entry.source),
        ("state", "valueCode", catalogue.state_of(entry)),
        ("percent", "valueInteger", catalogue.percent_of(entry)),
        ("reason", "valueString", entry.reason),
    ):
        if value != "":
            yield {"name": name, kind: value}


SEARCH_PARAMETER_STATUS = Operation(
    name="status",
    url="https://example.org/fdp/OperationDefinition/SearchParameter-status",
    levels=("type",),
    types=("SearchParameter",),
    parameters=(Parameter("url"), Parameter("code")),
    run=status,
)
