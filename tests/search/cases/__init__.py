"""What the specification says of search, as tables: https://hl7.org/fhir/R4/search.html.

Each rule is a sentence, a resource, the queries that find it and those that do not. `tests/search/truth.py` gathers
the rules of every module here: a new one needs no registration, only the address of its section in its docstring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.resource import Resource


@dataclass(frozen=True, slots=True)
class Rule:
    """A sentence of the specification, and what follows from it for one resource.

    `beside` are other resources that are there. `source` is where the sentence stands; without it, where the docstring
    of the module says. `searched` is the type that is asked for, where it is that of what the resource contains.
    """

    says: str
    resource: Resource
    found_by: tuple[str, ...] = ()
    not_found_by: tuple[str, ...] = ()
    beside: tuple[Resource, ...] = ()
    source: str = ""
    searched: str = ""

    @property
    def kind(self) -> str:
        """The type that its queries ask for."""
        return self.searched or str(self.resource["resourceType"])


def a(resource_type: str, **elements: Any) -> Resource:
    """Return a resource with the id `ada`."""
    return {"resourceType": resource_type, "id": "ada", **elements}
