"""Sign-in with another identity provider: there and back.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
"""

from __future__ import annotations

from hashlib import sha256

from fastapi import Response

from fhir_server.auth.identity.provider import IdentityProvider, SignInFailed
from fhir_server.fhir.errors import NotFound
from fhir_server.web.authorization.signing import sign_in_page, signed_in
from fhir_server.web.authorization.visit import Visit


async def go_elsewhere(visit: Visit) -> Response:
    """Send the browser to the provider in the path."""
    request = visit.request.query_params.get("request", "")
    url = await _provider(visit).begin(request, browser=_mark(visit), now=visit.now)
    return visit.moved(url, name=None if visit.known else visit.name)


async def come_back(visit: Visit) -> Response:
    """Sign in who comes back from the provider in the path."""
    provider, answer = _provider(visit), dict(visit.request.query_params)
    try:
        user, handle = await provider.finish(answer, browser=_mark(visit), now=visit.now)
    except SignInFailed as error:
        await visit.record("sign-in", None, status=401)
        waiting = await visit.pending(error.request)
        return sign_in_page(visit, waiting, status=403, wrong=str(error))
    pending = await visit.pending(handle)
    return visit.over() if handle and pending is None else await signed_in(visit, user, pending)


def _provider(visit: Visit) -> IdentityProvider:
    """Return the provider in the path; raise NotFound."""
    provider = visit.desk.providers.get(visit.request.path_params["provider"])
    if provider is None:
        raise NotFound("There is no such identity provider here.")
    return provider


def _mark(visit: Visit) -> str:
    """Return what tells this browser from others, and could not be used by who reads it."""
    return sha256(f"elsewhere {visit.name}".encode()).hexdigest()
