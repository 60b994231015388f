"""How members get to know who asks: each by the way that its entry in the register says. Pure.

A member that has the hub as a client is asked with a token of its own; one that is told who asks decides on that itself.
One without is asked for callers with a token only where it was said to be open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fhir_server.auth.behalf import Behalf
from fhir_server.auth.server.scopes import given
from fhir_server.federation.lines import Line
from fhir_server.federation.search import Party
from fhir_server.federation.tokens import Ask, Bearing, Refusing, Tokens
from fhir_server.federation.transport import Transport
from fhir_server.policy.access import Access
from fhir_server.policy.scopes import Scope

READS = "rs"
"""Letters of SMART's `cruds` that a hub asks for."""


@dataclass(frozen=True, slots=True)
class Calling:
    """Who asks. `scopes` are of `system/`; `bound`: the purpose is one that opt-outs bind."""

    behalf: Behalf
    scopes: tuple[str, ...]
    bound: bool


def system_scopes(access: Access, letters: str = READS) -> tuple[str, ...]:
    """Return what a caller may do of these letters as the scopes of a backend service; those of one patient are left out.

    Patients are known here by other ids than at a member.
    """
    scopes = sorted(_as_system(each, letters) for each in access.scopes.all - _own(access))
    return tuple(dict.fromkeys(each for each in scopes if each))


def reached(parties: Sequence[Party], calling: Calling | None, tokens: Tokens) -> Sequence[Party]:
    """Return members with the lines by which this caller, None: one that nobody was asked to name, reaches them."""
    return [replace(each, line=line_for(each.line, calling, tokens)) for each in parties]


def line_for(
    line: Line, calling: Calling | None, tokens: Tokens, scopes: tuple[str, ...] | None = None
) -> Line:
    """Return the line of a caller to a member, for these scopes, or for all of the caller's."""
    return line.through(_transport(line, calling, tokens, scopes))


def _transport(
    line: Line, calling: Calling | None, tokens: Tokens, scopes: tuple[str, ...] | None
) -> Transport:
    member, credentials = line.member, line.member.credentials
    if calling is None:
        unknown = "it wants to know who asks, and this server lets everyone in (auth=none)"
        return line.transport if credentials is None else Refusing(unknown)
    told = credentials is not None and credentials.on_behalf
    if calling.bound and not told:
        return Refusing("it is not told for what purpose of use it is asked")
    if credentials is None:
        closed = "nobody said how this server shows it who asks, or that it lets everyone in"
        return line.transport if member.open else Refusing(closed)
    if not told:
        own = Ask(member.id, credentials, None, credentials.scopes)
        return Bearing(line.transport, tokens, own)
    asked = given(calling.scopes if scopes is None else scopes, credentials.scopes, ("system",))
    if not asked:
        return Refusing("this server may ask it for none of what the caller's scopes give")
    return Bearing(line.transport, tokens, Ask(member.id, credentials, calling.behalf, asked))


def _own(access: Access) -> frozenset[Scope]:
    return frozenset(each for each in access.scopes.all if each.context == "patient")


def _as_system(scope: Scope, wanted: str) -> str:
    letters = "".join(each for each in wanted if each in scope.letters)
    return f"system/{scope.type}.{letters}{scope.parameters}" if letters else ""
