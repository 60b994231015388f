"""Who is let in, and what the others are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from fhir_server.rest.table import ROUTES
from tests.rest.access import FAR, Guarded, a_client, guarded
from tests.support.server import running_server
from tests.support.tokens import a_token, claims, published, rsa_key

ANYONE = a_client()
ADDRESSES = {"[type]": "Patient", "[id]": "ada", "[vid]": "1"}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Return a server that all tests here share."""
    with guarded(tmp_path_factory.mktemp("bearer") / "fhir.db", cors_origins="*") as server:
        with server.client() as client:
            patient = {"resourceType": "Patient", "id": "ada"}
            client.put("Patient/ada", json=patient).raise_for_status()
        yield server


def path_of(template: str) -> str:
    names = [ADDRESSES.get(each, each) for each in template.strip("/").split("/")]
    return "/".join(names)


CLOSED = sorted(
    (method, path_of(template))
    for template, methods in ROUTES.items()
    for method, route in methods.items()
    if not route.open
)


def outcome(response: httpx.Response) -> tuple[str, str]:
    (issue,) = response.json()["issue"]
    return issue["code"], issue["diagnostics"]


@pytest.mark.parametrize(("method", "path"), CLOSED, ids=[" ".join(each) for each in CLOSED])
def test_every_address_but_the_open_ones_needs_a_token(
    there: Guarded, method: str, path: str
) -> None:
    response = ANYONE.request(method, f"{there.base}/{path}", content=b"{")

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="fhir"'
    if method != "HEAD":
        assert outcome(response) == ("login", "This needs a token: Authorization: Bearer …")


def test_few_addresses_are_open() -> None:
    opened = {name for name, each in ROUTES.items() if any(route.open for route in each.values())}

    assert opened == {"/metadata", "/.well-known/smart-configuration"}


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer a b",
        "Bearer a,b",
        "Bearer a, Bearer b",
        'Bearer token="a"',
        "Bearer: a",
        "Bearer\ta",
        "Bearer é",
        "Bearer " + "a" * 20_000,
        "Bearer a.b.c",
        "Bearer undefined",
        "Bearertoken",
        "Token abc",
        "Basic YWxpY2U6c2VjcmV0",
        'Digest username="alice"',
        "abc",
        ", Bearer a",
    ],
)
def test_a_header_without_a_good_token_is_refused(there: Guarded, header: str) -> None:
    headers = [(b"authorization", header.encode("latin-1"))]
    response = ANYONE.get(f"{there.base}/Patient/ada", headers=headers)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="fhir", error="invalid_token"'
    assert outcome(response)[0] == "login"
    assert "ada" not in response.text


def test_two_headers_are_refused_though_each_is_good(there: Guarded) -> None:
    header = (b"authorization", f"Bearer {there.token()}".encode())

    response = ANYONE.get(f"{there.base}/Patient/ada", headers=[header, header])

    assert response.status_code == 401


@pytest.mark.parametrize("name", ["access_token", "access%5Ftoken"])
@pytest.mark.parametrize("with_header", [False, True])
def test_a_token_in_the_url_is_refused(there: Guarded, name: str, *, with_header: bool) -> None:
    token = there.token()
    headers = {"authorization": f"Bearer {token}"} if with_header else {}

    response = ANYONE.get(f"{there.base}/Patient?{name}={token}", headers=headers)

    assert response.status_code == 400
    assert "header Authorization" in response.text
    assert token not in response.text


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"nbf": FAR},
        {"iss": "https://evil.example"},
        {"aud": "https://evil.example/fhir"},
        {"sub": ""},
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_token_that_is_not_good_gives_nothing_away(
    there: Guarded, changes: dict[str, Any]
) -> None:
    with there.client(**changes) as client:
        answers = [client.get(path) for path in ("Patient/ada", "Patient/nobody", "Patient")]

    assert {each.status_code for each in answers} == {401}
    assert len({each.content for each in answers}) == 1


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_a_good_token_lets_in_however_the_scheme_is_written(there: Guarded, scheme: str) -> None:
    headers = {"authorization": f"{scheme} {there.token()}"}

    response = ANYONE.get(f"{there.base}/Patient/ada", headers=headers)

    assert response.status_code == 200
    assert "www-authenticate" not in response.headers


@pytest.mark.parametrize("path", ["Patient/ada", "Patient/nobody", "Patient", "Patient/_history"])
def test_a_token_without_the_right_is_told_so_whatever_is_there(there: Guarded, path: str) -> None:
    with there.client("user/Observation.rs openid") as client:
        response = client.get(path)

    assert response.status_code == 403
    assert response.headers["www-authenticate"] == 'Bearer realm="fhir", error="insufficient_scope"'
    code, told = outcome(response)
    assert code == "forbidden"
    assert told.startswith("This needs a scope such as user/Patient.")


def test_a_scope_with_search_parameters_is_said_to_give_no_right(there: Guarded) -> None:
    with there.client("user/Patient.rs?unheard-of=true") as client:
        response = client.get("Patient")

    assert response.status_code == 403
    assert "search parameters" in response.text


def test_a_refusal_is_written_as_the_client_wants_it(there: Guarded) -> None:
    response = ANYONE.get(f"{there.base}/Patient/ada", headers={"accept": "application/fhir+xml"})

    assert response.status_code == 401
    assert "<OperationOutcome" in response.text


def test_a_page_of_another_origin_may_send_a_token_and_read_the_demand_for_one(
    there: Guarded,
) -> None:
    origin = {"origin": "https://app.example", "access-control-request-method": "GET"}

    preflight = ANYONE.options(f"{there.base}/Patient/ada", headers=origin)
    refused = ANYONE.get(f"{there.base}/Patient/ada", headers=origin)

    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]


def test_health_and_what_the_server_is_are_told_to_everyone(there: Guarded) -> None:
    origin = there.base.removesuffix("/fhir")

    assert ANYONE.get(f"{there.base}/metadata").status_code == 200
    assert ANYONE.get(f"{origin}/health/ready").text == "ready"
    page = ANYONE.get(origin)
    assert page.status_code == 200
    assert "for those who have a token" in page.text
    assert "Patient</span>" not in page.text


def test_the_statement_and_the_configuration_name_the_issuer(there: Guarded) -> None:
    url = there.issuer.url
    security = ANYONE.get(f"{there.base}/metadata").json()["rest"][0]["security"]
    response = ANYONE.get(
        f"{there.base}/.well-known/smart-configuration", headers={"accept": "text/html"}
    )

    (extension,) = security["extension"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert {each["url"]: each["valueUri"] for each in extension["extension"]} == {
        "authorize": url + "/authorize",
        "token": url + "/token",
    }
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "issuer": url,
        "authorization_endpoint": url + "/authorize",
        "token_endpoint": url + "/token",
        "jwks_uri": url + "/keys",
        "capabilities": [
            "permission-patient",
            "permission-user",
            "permission-v1",
            "permission-v2",
        ],
    }


def test_metrics_hold_no_token_and_no_name(there: Guarded) -> None:
    token = there.token(sub="zebedee-quux")
    ANYONE.get(f"{there.base}/Patient", headers={"authorization": f"Bearer {token}"})

    metrics = there.metrics()

    assert 'status="4xx"' in metrics
    assert "zebedee" not in metrics
    assert token[:40] not in metrics


def test_the_log_holds_no_token_and_no_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with guarded(tmp_path / "fhir.db") as there:
        tokens = [there.token(sub="zebedee-quux", scope=each) for each in ("user/*.rs", "openid")]
        for token in (*tokens, "a.b.zebedee"):
            ANYONE.get(f"{there.base}/Patient", headers={"authorization": f"Bearer {token}"})

    log = capfd.readouterr().err
    assert [f'"status":{each}' in log for each in (200, 403, 401)] == [True] * 3
    assert "zebedee" not in log
    assert not any(token[-40:] in log for token in tokens)


def test_an_issuer_that_is_down_lets_nobody_in_and_says_that_it_may_pass(tmp_path: Path) -> None:
    with guarded(tmp_path / "fhir.db") as there:
        there.issuer.fail(500)

        with there.client() as client:
            answer = client.get("Patient")
            configuration = client.get(".well-known/smart-configuration")
            statement = client.get("metadata")
            stranger = client.get("Patient", headers={"authorization": "Bearer a.b.c"})

    assert answer.status_code == 503
    assert outcome(answer)[0] == "transient"
    assert configuration.status_code == 503
    assert "extension" not in statement.json()["rest"][0]["security"]
    assert stranger.status_code == 401


def test_a_key_that_is_added_works_without_a_restart(tmp_path: Path) -> None:
    with guarded(tmp_path / "fhir.db") as there:
        there.issuer.publish(published(rsa_key("second"), "signing-2"))
        said = claims(iss=there.issuer.url, aud=there.base, exp=FAR, iat=1, scope="user/*.rs")
        token = a_token(said, key=rsa_key("second"), kid="signing-2")

        response = ANYONE.get(f"{there.base}/Patient", headers={"authorization": f"Bearer {token}"})

    assert response.status_code == 200


def test_of_two_issuers_both_are_trusted_and_none_is_named(tmp_path: Path) -> None:
    with guarded(tmp_path / "one.db") as first:
        issuers = f"{first.issuer.url}, https://other.example.org"
        settings = {"auth": "smart", "issuers": issuers, "audience": "urn:the-trust"}
        settings["default_purpose"] = "TREAT"
        with running_server(tmp_path / "two.db", **settings) as base:
            token = first.token(aud="urn:the-trust")
            answer = ANYONE.get(f"{base}/Patient", headers={"authorization": f"Bearer {token}"})
            wrong = ANYONE.get(
                f"{base}/Patient", headers={"authorization": f"Bearer {first.token()}"}
            )
            configuration = ANYONE.get(f"{base}/.well-known/smart-configuration").json()

    assert answer.status_code == 200
    assert wrong.status_code == 401
    assert set(configuration) == {"capabilities"}
