"""Which people a server knows, told to a hub in marks: so that it asks for nobody who is not here.

A Parameters resource with the `key` of the marks, and all of them in their order (`marks`), 8 bytes each.
"""

from __future__ import annotations

from base64 import b64encode
from secrets import token_bytes

from fhir_server.fhir.errors import InsufficientScope
from fhir_server.fhir.json import dump
from fhir_server.interactions.person_index import marks_of_all
from fhir_server.policy.person_marks import KEY
from fhir_server.policy.scopes import PERSON_INDEX
from fhir_server.rest.answer import Answer
from fhir_server.rest.request import Request
from fhir_server.rest.service import Service

DEFINED = {"person-index": "https://example.org/fdp/OperationDefinition/person-index"}
"""The operation by its name, and the URL of its definition."""


async def person_index(service: Service, request: Request) -> Answer:
    """Serve `GET $person-index`, each time under another key, which is kept nowhere here."""
    caller = request.caller
    if caller is not None and PERSON_INDEX not in caller.access.scopes.own:
        raise InsufficientScope(f"This needs the scope {PERSON_INDEX}, which the token has not.")
    key = token_bytes(KEY)
    marks = await marks_of_all(service.store, key)
    told = {"key": key, "marks": marks}
    given = [{"name": name, "valueBase64Binary": _text(each)} for name, each in told.items()]
    return Answer(200, dump({"resourceType": "Parameters", "parameter": given}))


def _text(content: bytes) -> str:
    return b64encode(content).decode()
