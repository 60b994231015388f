"""What an app sends the browser with, checked: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code.

Until the client and its redirect URI are sure, nobody is redirected: else this server would lead people to anyone's
page (https://www.rfc-editor.org/rfc/rfc9700#section-4.11).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from fhir_server.auth.server.clients import Client
from fhir_server.auth.server.errors import RedirectedError, ShownError
from fhir_server.auth.server.scopes import given, words
from fhir_server.auth.server.site import Site

CONTEXTS = ("patient", "user")
LONGEST = 2048
"""Characters of a value that is handed back."""

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_NOT_TAKEN = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid request of a client; `launch` is the handle of an EHR launch."""

    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str
    state: str
    nonce: str | None
    launch: str | None
    prompt: tuple[str, ...]
    max_age: int | None
    login_hint: str | None


def named_client(parameters: Sequence[tuple[str, str]]) -> str:
    """Return the one client that is named; raise ShownError."""
    return _one(parameters, "client_id")


def asked(client: Client | None, parameters: Sequence[tuple[str, str]], site: Site) -> Asked:
    """Return what a client asks for; raise ShownError or RedirectedError."""
    if client is None:
        raise ShownError("The app that sent you here is not registered: its client_id is unknown.")
    uri = _one(parameters, "redirect_uri")
    if uri not in client.redirect_uris:
        raise ShownError(
            f"The app {client.name} wants you sent to an address that is not registered for it (redirect_uri)."
        )
    return _Reading(client, uri, parameters, site).read()


def answered(uri: str, site: Site, **more: str | None) -> str:
    """Return the address to go back to; it names the issuer: https://www.rfc-editor.org/rfc/rfc9207."""
    said = {name: value for name, value in more.items() if value is not None}
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(said | {'iss': site.issuer})}"


def _one(parameters: Sequence[tuple[str, str]], name: str) -> str:
    values = [value for each, value in parameters if each == name]
    if len(values) != 1 or not values[0]:
        raise ShownError(f"The app that sent you here did not say {name}, or more than once.")
    return values[0]


class _Reading:
    """One request while it is read; each refusal goes back to the app."""

    def __init__(
        self, client: Client, uri: str, parameters: Sequence[tuple[str, str]], site: Site
    ) -> None:
        self._client = client
        self._uri = uri
        self._site = site
        self._said: Mapping[str, str] = {name: value for name, value in parameters if value}
        self._twice = [
            name for name, times in Counter(n for n, _ in parameters).items() if times > 1
        ]

    def read(self) -> Asked:
        self._check_form()
        self._check_flow()
        scopes = self._scopes()
        return Asked(
            self._uri,
            scopes,
            self._challenge(),
            self._said["state"],
            self._said.get("nonce"),
            self._launch(scopes),
            self._prompt(),
            self._max_age(),
            self._said.get("login_hint"),
        )

    def _refusal(self, error: str, told: str) -> RedirectedError:
        state = None if "state" in self._twice else self._said.get("state")
        url = answered(self._uri, self._site, error=error, error_description=told, state=state)
        return RedirectedError(told, url=url)

    def _check_form(self) -> None:
        if self._twice:
            # What the caller chose is not repeated: it may not fit a URL.
            raise self._refusal("invalid_request", "A parameter is said more than once.")
        for name, error in _NOT_TAKEN.items():
            if name in self._said:
                raise self._refusal(error, f"{name} is not supported.")
        for name in ("state", "nonce", "login_hint"):
            if len(self._said.get(name, "")) > LONGEST:
                raise self._refusal("invalid_request", f"{name} is too long.")

    def _check_flow(self) -> None:
        if self._said.get("response_type") != "code":
            raise self._refusal("unsupported_response_type", "response_type must be code.")
        if self._said.get("response_mode", "query") != "query":
            raise self._refusal("invalid_request", "response_mode must be query.")
        if "state" not in self._said:
            raise self._refusal("invalid_request", "state is missing.")
        if not self._site.is_meant_by(self._said.get("aud", "")):
            raise self._refusal("invalid_request", f"aud must be {self._site.fhir_base}.")

    def _challenge(self) -> str:
        method = self._said.get("code_challenge_method", "plain")
        challenge = self._said.get("code_challenge", "")
        if method != "S256" or not _CHALLENGE.fullmatch(challenge):
            raise self._refusal(
                "invalid_request",
                "code_challenge is needed, with code_challenge_method=S256 (PKCE).",
            )
        return challenge

    def _scopes(self) -> tuple[str, ...]:
        wanted = words(self._said.get("scope", ""))
        found = given(wanted or (), self._client.scopes, CONTEXTS)
        if not found:
            raise self._refusal(
                "invalid_scope", "scope names nothing that this app is registered for."
            )
        return found

    def _launch(self, scopes: Sequence[str]) -> str | None:
        launch = self._said.get("launch")
        if (launch is None) == ("launch" in scopes):
            raise self._refusal(
                "invalid_request", "The scope launch and the parameter launch belong together."
            )
        return launch

    def _prompt(self) -> tuple[str, ...]:
        said = tuple(self._said.get("prompt", "").split())
        if not _PROMPTS.issuperset(said) or ("none" in said and len(said) > 1):
            raise self._refusal(
                "invalid_request", "prompt is none, or of login, consent, select_account."
            )
        return said

    def _max_age(self) -> int | None:
        said = self._said.get("max_age")
        if said is None:
            return None
        if not said.isdecimal() or not said.isascii() or len(said) > 10:  # noqa: PLR2004 - three centuries
            raise self._refusal("invalid_request", "max_age is a number of seconds.")
        return int(said)
