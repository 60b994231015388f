"""Sign-in with another identity provider: there and back.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
"""

from __future__ import annotations

from hashlib import sha256

from fastapi import Response

from fhir_server.auth.identity.provider import Errand, IdentityProvider, SignInFailed
from fhir_server.fhir.errors import NotFound
from fhir_server.web.authorization.signing import place_of, sign_in_page, signed_in
from fhir_server.web.authorization.visit import Visit


async def go_elsewhere(visit: Visit) -> Response:
    """Send the browser to the provider in the path."""
    asked = visit.request.query_params
    errand = Errand(asked.get("request", ""), place_of(asked.get("to", "")))
    url = await _provider(visit).begin(errand, browser=_mark(visit), now=visit.now)
    return visit.moved(url, name=None if visit.known else visit.name)


async def come_back(visit: Visit) -> Response:
    """Sign in who comes back from the provider in the path."""
    provider, answer = _provider(visit), dict(visit.request.query_params)
    try:
        user, errand = await provider.finish(answer, browser=_mark(visit), now=visit.now)
    except SignInFailed as error:
        await visit.record("sign-in", None, status=401)
        waiting = await visit.pending(error.errand.request)
        return sign_in_page(visit, waiting, status=403, wrong=str(error), to=error.errand.to)
    pending = await visit.pending(errand.request)
    if errand.request and pending is None:
        return visit.over()
    return await signed_in(visit, user, pending, to=errand.to)


def _provider(visit: Visit) -> IdentityProvider:
    """Return the provider in the path; raise NotFound."""
    provider = visit.desk.providers.get(visit.request.path_params["provider"])
    if provider is None:
        raise NotFound("There is no such identity provider here.")
    return provider


def _mark(visit: Visit) -> str:
    """Return what tells this browser from others, and could not be used by who reads it."""
    return sha256(f"elsewhere {visit.name}".encode()).hexdigest()
