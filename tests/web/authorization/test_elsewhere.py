"""Sign-in at another identity provider, which is another node of ours, on real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from fhir_server.auth.server.clients import Client, hashed
from tests.support.server import running_server
from tests.support.smart import APP, PASSWORD, App, fill, register
from tests.support.visitor import Page, Visitor, visiting
from tests.web.authorization.support import allowed, chosen

SECRET = "agreed between them"  # noqa: S105 - of nobody


@dataclass(frozen=True)
class Nodes:
    """Where people sign in, and where they want to: origins."""

    provider: str
    relying: str


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Serve both."""
    folder = tmp_path_factory.mktemp("elsewhere")
    fill(folder / "provider.db")
    fill(folder / "relying.db")
    with running_server(folder / "provider.db", auth="smart") as base:
        provider = base.removesuffix("/fhir")
        path = registrations(folder, provider)
        with running_server(folder / "relying.db", auth="smart", identity_providers=path) as own:
            relying = own.removesuffix("/fhir")
            register(folder / "relying.db", APP)
            register(
                folder / "provider.db",
                Client(
                    "node",
                    "Another node",
                    "client_secret_basic",
                    ("openid", "profile"),
                    (f"{relying}/auth/callback/trust",),
                    secret=hashed(SECRET),
                ),
            )
            yield Nodes(provider, relying)


def registrations(folder: Path, issuer: str) -> Path:
    """Write the file of providers."""
    said = {
        "trust": {
            "title": "Trust sign-in",
            "issuer": issuer,
            "client_id": "node",
            "client_secret": SECRET,
            "parameters": {"aud": f"{issuer}/fhir"},
            "claims": {
                "role": "clinician",
                "fhir_user": "Practitioner/{sub}",
                "roles": {"clinician": {"role": "R8000", "purposes": ["TREAT"]}},
            },
        }
    }
    path = folder / "providers.json"
    path.write_text(json.dumps(said))
    return path


@pytest.fixture
def here(nodes: Nodes) -> Iterator[Visitor]:
    """Return a browser at the node where somebody wants to sign in."""
    with visiting(nodes.relying) as visitor:
        yield visitor


@pytest.fixture
def there(nodes: Nodes) -> Iterator[Visitor]:
    """Return the same browser at the provider: cookies know no ports, but these have names of their own."""
    with visiting(nodes.provider) as visitor:
        yield visitor


def sent_there(here: Visitor, page: Page) -> Page:
    """Follow the link to the provider."""
    start = page.answer.text.index('href="/auth/elsewhere/trust')
    link = page.answer.text[start + 6 :].partition('"')[0]
    return here.get(urljoin(here.origin, link))


def test_who_says_no_there_is_not_signed_in_here(
    nodes: Nodes, here: Visitor, there: Visitor
) -> None:
    app = App(nodes.relying)
    leaving = sent_there(here, here.get(app.request("user/*.rs")))
    refused = there.send(there.get(leaving.url).form("/auth/consent"), decision="refuse")

    page = here.get(refused.url)

    assert (page.status, "signed nobody in" in page.text) == (403, True)
    # The request of the app is not lost.
    assert APP.name in page.text
    assert page.offers("/auth/consent")


def test_what_comes_back_to_another_browser_signs_nobody_in(
    nodes: Nodes, here: Visitor, there: Visitor
) -> None:
    leaving = sent_there(here, here.get("/auth/sign-in"))
    page = there.sign_in(there.get(leaving.url), "ada", PASSWORD)
    back = allowed(there, page)

    with visiting(nodes.relying) as victim:
        victim.get("/auth/sign-in")
        after = victim.get(back.url)

    assert (after.status, "another browser" in after.text) == (403, True)


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("", "/auth/launch"),
        ("?to=access", "/auth/access"),
        ("?to=members", "/members"),
        ("?to=https://other.example/", "/auth/launch"),
        ("?to=//other.example", "/auth/launch"),
    ],
)
def test_who_signed_in_there_goes_on_to_the_page_that_was_asked_for(
    nodes: Nodes, here: Visitor, there: Visitor, asked: str, place: str
) -> None:
    leaving = sent_there(here, here.get(f"/auth/sign-in{asked}"))
    back = allowed(there, there.sign_in(there.get(leaving.url), "ada", PASSWORD))

    assert urlsplit(here.get(back.url).url).path == place


def test_who_was_not_signed_in_there_may_still_go_on_to_that_page(
    here: Visitor, there: Visitor
) -> None:
    leaving = sent_there(here, here.get("/auth/sign-in?to=access"))
    refused = there.send(
        there.sign_in(there.get(leaving.url), "ada", PASSWORD).form("/auth/consent"),
        decision="refuse",
    )

    page = here.get(refused.url)

    assert page.status == 403
    assert 'name="to" value="access"' in page.answer.text
    assert "/auth/elsewhere/trust?to=access" in page.answer.text


@pytest.mark.parametrize("path", ["/auth/elsewhere/nobody", "/auth/callback/nobody?state=x&code=y"])
def test_there_are_no_other_providers(here: Visitor, path: str) -> None:
    assert here.get(path).status == 404


def test_who_signed_in_there_lets_an_app_in_here(
    nodes: Nodes, here: Visitor, there: Visitor
) -> None:
    app = App(nodes.relying)
    leaving = sent_there(here, here.get(app.request("launch/patient patient/*.rs")))
    back = allowed(there, there.sign_in(there.get(leaving.url), "ada", PASSWORD))

    page = here.get(back.url)
    given = app.tokens(allowed(here, chosen(here, page)).url)

    assert urlsplit(page.url).path == "/auth/request"
    assert "Dr Ada Jones" in page.text
    assert given["patient"] == "mary"
    assert app.read("Patient/mary", given["access_token"]).status_code == 200
