"""What a command does is logged as well."""

from __future__ import annotations

import os
from getpass import getuser

from fhir_server.audit.event import Agent, Event, encoded
from fhir_server.storage.contract import Store
from fhir_server.wiring import clock


async def tell(store: Store, note: str, *, kind: str = "load") -> None:
    """Log what a command does, where the log has begun: of a store that is served with audit."""
    if (await store.audit_log.extent()).last:
        event = Event(clock(), kind, agent=_person(), note=note)
        await store.audit_log.append(encoded(event), durable=True)


def _person() -> Agent:
    try:
        name = getuser()
    except (KeyError, OSError):
        # A container may run as a number that has no name.
        name = str(os.getuid())
    return Agent("urn:fhir-server:command-line", name)
