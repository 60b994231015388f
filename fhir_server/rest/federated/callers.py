"""Who asks for all members' answers: what the caller may at all is decided here first, and told to members by the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from fhir_server.auth.behalf import BadContext, Behalf, behalf_in, extensions_of
from fhir_server.auth.caller import Caller
from fhir_server.federation.calling import Calling, line_for, system_scopes
from fhir_server.federation.clearing import Clearing, Judge
from fhir_server.federation.identities import NEEDED, Directory
from fhir_server.federation.search import Federated, Party
from fhir_server.federation.tokens import Tokens
from fhir_server.fhir.errors import Forbidden
from fhir_server.policy.access import Access
from fhir_server.policy.decision import Enforcement
from fhir_server.policy.disclosure import Standing
from fhir_server.policy.rights import rights_of
from fhir_server.policy.roles import BREAK_GLASS
from fhir_server.rest.federated.instances import searched
from fhir_server.rest.request import Request
from fhir_server.rest.service import Service


@dataclass(frozen=True, slots=True)
class Admission:
    """A caller whom the hub lets ask: how members get to know, and by what is decided on what they answer."""

    calling: Calling
    judge: Judge

    def to(
        self, parties: Sequence[Party], tokens: Tokens, headers: Mapping[str, str]
    ) -> Sequence[Party]:
        """Return the members as this caller reaches them, their answers cleared."""
        return [self.to_one(each, tokens, headers) for each in parties]

    def to_one(self, party: Party, tokens: Tokens, headers: Mapping[str, str]) -> Party:
        """Return one member as this caller reaches it."""
        directory = Directory(line_for(party.line, self.calling, tokens, NEEDED), headers)
        return replace(
            party,
            line=line_for(party.line, self.calling, tokens),
            clearing=Clearing(self.judge, directory, party.extractor),
        )


def admitted(
    service: Service, request: Request, letters: str, enforcement: Enforcement
) -> Admission:
    """Return the admission of a caller who needs these rights on the type that is asked for; raise Forbidden.

    Nobody is asked before.
    """
    caller, disclosure, audience = request.caller, service.disclosure, request.audience
    assert caller is not None, "a caller without a token is let in elsewhere"
    assert disclosure is not None, "callers are judged by tables"
    assert audience is not None, "whom the tables admit is an audience"
    kind = _type_of(request)
    sight = service.call(request).to(letters, kind).sight
    standing = disclosure.standing(caller.access, rights_of(caller.access))
    _check(standing)
    if sight.patient_of(kind) is not None:
        raise Forbidden(
            "The token is bound to one patient by an id of this server, which members do not know: a federated search"
            " needs user/ or system/ scopes"
        )
    bound = standing.rule.opt_out and not audience.exempt
    calling = Calling(_behalf(caller, standing), system_scopes(caller.access), bound)
    # What was denied is applied by NHS number: here rights alone are.
    own = replace(sight, audience=None)
    judge = Judge(
        enforcement.policy,
        enforcement.personal,
        audience,
        own,
        bound,
        service.clock(),
        service.store.people,
    )
    return Admission(calling, judge)


def concerned(judge: Judge, found: Federated) -> tuple[str, ...]:
    """Return the Patients of this server whom a page tells of, for its own record of who saw what."""
    entries = (*found.taken, *found.included)
    named = (source.full_url for each in entries for source in each.also)
    shown = (*(each.match.full_url for each in entries), *named)
    return tuple(sorted({patient for each in shown for patient in judge.shown.get(each, ())}))


def told_of(found: Federated) -> str:
    """Return what became of each member, as the record of a search has it."""
    return "members: " + ", ".join(f"{each.member} {each.state}" for each in found.accounts)


def _check(standing: Standing) -> None:
    if standing.rule.id == BREAK_GLASS:
        raise Forbidden(
            "In an emergency a record is opened at the server that holds it: ask that one for the purpose of use"
            f" {standing.audience.purpose}"
        )


def _behalf(caller: Caller, standing: Standing) -> Behalf:
    """Return the caller as members are told; raise Forbidden for one whom they cannot be told of."""
    access: Access = caller.access
    if access.organisation is None:
        raise Forbidden(
            "Members decide by the caller's organisation, and the token names none (claim organisation, an ODS code)"
        )
    behalf = Behalf(
        f"{access.issuer}#{quote(access.subject, safe='@:+~.')}",
        access.organisation,
        "" if standing.role is None else standing.role.code,
        standing.audience.purpose,
        access.programme,
    )
    try:
        return behalf_in(extensions_of(behalf))
    except BadContext as problem:
        raise Forbidden(f"Members cannot be told who asks: {problem}") from problem


def _type_of(request: Request) -> str:
    """Return the type that is asked for: of `[type]`, or of what is below `[member]`."""
    path = searched(request.segments)
    return path[0] if len(path) == 1 else path[1]
