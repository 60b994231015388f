"""`SearchParameter/$status`: how far each search parameter besides R4's is on its way to being searched by."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.operations.operation import Invocation, Operation, Parameter, Told
from fhir_server.search.catalogue import Catalogue, Entry, unpacked

_WRITTEN = "SearchParameter/"
"""What the sources begin with that are resources here; the others are URLs."""


async def status(call: Call, asked: Invocation) -> Told:
    """Return a Parameters resource with one parameter for each search parameter and base."""
    catalogue = unpacked((await call.store.catalogue()).content)
    shown = await _shown(call, catalogue)
    url, code = asked.value("url"), asked.value("code")
    found: list[Resource] = [
        {"name": "searchParameter", "part": list(_parts(catalogue, each))}
        for each in shown
        if url in {None, each.url} and code in {None, each.code}
    ]
    return Told({"resourceType": "Parameters", **({"parameter": found} if found else {})})


async def _shown(call: Call, catalogue: Catalogue) -> list[Entry]:
    """Return those that come with the server, and those of resources that the caller may see."""
    sources = {
        each.source: each.source.removeprefix(_WRITTEN)
        for each in catalogue.entries
        if each.source.startswith(_WRITTEN)
    }
    keys = [Key("SearchParameter", name) for name in sources.values()]
    seen = {str(row.stored.key) for row in await call.store.read_many(call.sight, keys)}
    return [each for each in catalogue.entries if each.source not in sources or each.source in seen]


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
