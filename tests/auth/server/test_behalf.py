"""A hub asks in the names of its callers: within its registration, and by the tables of the server that it asks."""

from __future__ import annotations

import asyncio
from typing import Any

import jwt
import pytest
from msgspec import structs

from fhir_server.auth.behalf import Behalf, extensions_of
from fhir_server.auth.server.clients import BadClient, Client, check
from fhir_server.auth.server.errors import InvalidClient, InvalidGrant, InvalidScope
from fhir_server.auth.server.server import AuthorizationServer
from fhir_server.policy.scopes import OPT_OUTS, PERSON_INDEX
from fhir_server.rules import admission
from fhir_server.settings import Settings
from tests.auth.server.assertions import NOT_GOOD, UNPROVEN
from tests.auth.server.behalf import ADA, MALFORMED, NOT_ADMITTED, naming
from tests.auth.server.material import APP, HUB, MOMENT, a_server, asserting, backend

BOTH = (*HUB.scopes, PERSON_INDEX)


async def a_member() -> AuthorizationServer:
    return await a_server(admit=admission(Settings()))


async def claims_of(server: AuthorizationServer, assertion: str, **form: str) -> dict[str, Any]:
    """Return what the token says that a hub gets."""
    told = await server.endpoints.token(asserting(assertion, **form), now=MOMENT)
    said: dict[str, Any] = jwt.decode(told["access_token"], options={"verify_signature": False})
    return said


@pytest.mark.parametrize("name", MALFORMED)
async def test_who_is_not_named_as_the_extension_has_it_is_nobody(name: str) -> None:
    extensions, told = MALFORMED[name]
    server = await a_member()
    with pytest.raises(InvalidGrant, match=told):
        await claims_of(server, naming(extensions))


@pytest.mark.parametrize("name", NOT_ADMITTED)
async def test_whom_the_registration_or_the_tables_do_not_admit_gets_no_token(name: str) -> None:
    behalf, told = NOT_ADMITTED[name]
    server = await a_member()
    with pytest.raises(InvalidGrant, match=told):
        await claims_of(server, naming(extensions_of(behalf)))


@pytest.mark.parametrize(
    ("bound", "told"),
    [
        ({"organisation": "RYY02"}, "organisation RYY02"),
        ({"role": "R8001"}, "role R8001"),
        ({"programme": "flows"}, "programme flows"),
    ],
)
async def test_what_a_hub_is_registered_with_bounds_its_callers(
    bound: dict[str, str], told: str
) -> None:
    server = await a_member()
    await server.clients.remove("hub")
    given = {"id": "hub", "organisation": None, "role": None, "purpose": None}
    narrow = backend(**(given | {"scopes": HUB.scopes, "on_behalf": ("TREAT",)} | bound))
    await server.clients.add(narrow, now=MOMENT)
    with pytest.raises(InvalidGrant, match=told):
        await claims_of(server, naming(extensions_of(ADA)))


async def test_an_ordinary_backend_service_cannot_name_a_caller() -> None:
    server = await a_member()
    said = await claims_of(server, naming(extensions_of(ADA), iss="loader", sub="loader"))
    assert (said["sub"], said["role"], said["organisation"]) == ("loader", "backend", "RXX")
    assert "act" not in said


async def test_a_hub_gets_no_scope_beyond_its_registration() -> None:
    server = await a_member()
    with pytest.raises(InvalidScope):
        await claims_of(server, naming(extensions_of(ADA)), scope="system/Patient.cud")
    again = naming(extensions_of(ADA), jti="2")
    said = await claims_of(server, again, scope="system/Patient.cruds")
    assert said["scope"] == "system/Patient.rs"


async def test_an_assertion_that_names_a_caller_is_good_once() -> None:
    server = await a_member()
    assertion = naming(extensions_of(ADA))
    await claims_of(server, assertion)
    with pytest.raises(InvalidClient, match="used before"):
        await claims_of(server, assertion)


async def test_of_two_who_bring_one_assertion_at_once_one_gets_a_token() -> None:
    server = await a_member()
    assertion = naming(extensions_of(ADA))
    asked = (claims_of(server, assertion) for _ in range(8))
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, dict) for each in results) == 1


@pytest.mark.parametrize("name", [*UNPROVEN, *NOT_GOOD])
async def test_no_forged_assertion_is_better_for_naming_a_caller(name: str) -> None:
    """The table of forgeries again, at a server that trusts their supposed maker with callers."""
    server = await a_member()
    await server.clients.remove("loader")
    trusted = backend(organisation=None, role=None, purpose=None, on_behalf=("TREAT",))
    await server.clients.add(trusted, now=MOMENT)
    forged = UNPROVEN[name]() if name in UNPROVEN else NOT_GOOD[name][0]()
    with pytest.raises(InvalidClient):
        await claims_of(server, forged)


async def test_a_caller_that_was_exchanged_on_the_way_is_no_callers_word() -> None:
    server = await a_member()
    good = naming(extensions_of(ADA))
    grace = Behalf("https://hub.example#grace", "RXX01", "R8000", "TREAT")
    other = naming(extensions_of(grace))
    spliced = ".".join((good.split(".")[0], other.split(".")[1], good.split(".")[2]))
    with pytest.raises(InvalidClient):
        await claims_of(server, spliced)


async def test_the_token_names_the_caller_and_the_hub_that_asks() -> None:
    said = await claims_of(await a_member(), naming(extensions_of(ADA)))
    assert said["sub"] == "https://hub.example#ada"
    assert said["client_id"] == "hub"
    assert said["act"] == {"sub": "hub"}
    assert (said["organisation"], said["role"], said["purpose"]) == ("RXX01", "R8000", "TREAT")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"scopes": ("system/*.rs", "user/*.rs"), "redirect_uris": ("https://a.example",)},
            "redirect URI",
        ),
        ({"introspects": True}, "no other rights"),
        ({"purpose": "TREAT"}, "its callers"),
        ({"scopes": ("system/*.rs", OPT_OUTS)}, "in its own name"),
    ],
)
def test_who_asks_for_others_has_no_other_rights(changes: dict[str, Any], told: str) -> None:
    given = {"organisation": None, "role": None, "purpose": None, "on_behalf": ("TREAT",)}
    client: Client = backend(**(given | changes))
    with pytest.raises(BadClient, match=told):
        check(client)


async def a_member_with_an_index() -> AuthorizationServer:
    """Return one that lets the hub know whom it has."""
    server = await a_member()
    await server.clients.remove("hub")
    await server.clients.add(structs.replace(HUB, scopes=BOTH), now=MOMENT)
    return server


async def test_who_is_not_registered_for_the_index_of_persons_gets_no_token_for_it() -> None:
    with pytest.raises(InvalidScope):
        await claims_of(await a_member(), naming(None), scope=PERSON_INDEX)


async def test_no_named_caller_gets_to_the_index_of_persons() -> None:
    server = await a_member_with_an_index()
    said = await claims_of(server, naming(extensions_of(ADA)), scope=" ".join(BOTH))
    assert said["scope"] == "system/*.rs"
    with pytest.raises(InvalidGrant):
        await claims_of(server, naming(None, jti="2"), scope=" ".join(BOTH))


async def test_the_token_for_the_index_of_persons_is_the_hubs_own_and_for_nothing_else() -> None:
    server = await a_member_with_an_index()
    said = await claims_of(server, naming(None), scope=PERSON_INDEX)
    assert (said["sub"], said["client_id"], said["scope"]) == ("hub", "hub", PERSON_INDEX)
    assert said.keys().isdisjoint({"act", "organisation", "role", "purpose", "programme"})


@pytest.mark.parametrize("changes", [{}, {"scopes": (PERSON_INDEX,)}])
def test_the_index_of_persons_is_for_hubs_alone(changes: dict[str, Any]) -> None:
    with pytest.raises(BadClient, match="a hub"):
        check(backend(**({"scopes": BOTH} | changes)))
    with pytest.raises(BadClient):
        check(structs.replace(APP, scopes=(*APP.scopes, PERSON_INDEX)))


@pytest.mark.parametrize("scopes", [(OPT_OUTS,), ("system/*.cruds", OPT_OUTS)])
def test_the_register_of_opt_outs_is_loaded_by_backend_services_alone(
    scopes: tuple[str, ...],
) -> None:
    with pytest.raises(BadClient):
        check(structs.replace(APP, scopes=(*APP.scopes, OPT_OUTS)))
    check(backend(scopes=scopes, organisation=None, role=None, purpose=None))
