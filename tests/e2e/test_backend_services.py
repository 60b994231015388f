"""Backend services sign in as their makers wrote them: Authlib, PyJWT, fhirclient and smart-fetch, on real sockets."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import jwt
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from fhirclient.client import FHIRClient
from joserfc.jwk import ECKey, RSAKey

from fhir_server.wiring import clock, new_id
from tests.support.commands import typed
from tests.support.data import ROOT
from tests.support.nodes import Node, running_node
from tests.support.patience import PATIENCE

KEYS: dict[str, RSAKey | ECKey] = {
    "RS384": RSAKey.generate_key(2048),
    "ES384": ECKey.generate_key("P-384"),
}
SCOPES = "system/Patient.cruds"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Guarded:
    """A running node that gives tokens to the client `loader`, and where its private keys are."""

    node: Node
    keys: Path

    @property
    def token_url(self) -> str:
        """The token endpoint, as the node publishes it."""
        answer = httpx.get(f"{self.node.url}/.well-known/smart-configuration")
        return str(answer.json()["token_endpoint"])

    def assertion(self, algorithm: str = "ES384", **claims: Any) -> str:
        """Return an assertion that PyJWT signed."""
        said = {
            "iss": "loader",
            "sub": "loader",
            "aud": self.token_url,
            "exp": clock() // 1_000_000 + 240,
            "jti": new_id(),
        }
        key = KEYS[algorithm].as_pem(private=True)
        return jwt.encode(said | claims, key, algorithm=algorithm, headers={"kid": algorithm})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("backend")
    store = folder / "fhir.db"
    public = [{**key.as_dict(private=False), "kid": name} for name, key in KEYS.items()]
    (folder / "public.json").write_text(json.dumps({"keys": public}))
    private = [
        {**key.as_dict(private=True), "kid": name, "alg": name, "key_ops": ["sign"]}
        for name, key in KEYS.items()
    ]
    (folder / "private.jwks").write_text(json.dumps({"keys": private}))
    with running_node(store, "--auth", "smart") as node:
        # While it runs, as an operator would.
        added = typed(
            *("client", "add", "--store", f"sqlite:{store}", "--id", "loader"),
            *("--jwks", str(folder / "public.json"), "--scopes", SCOPES, "--purpose", "TREAT"),
        )
        assert added.returncode == 0, added.stderr
        yield Guarded(node, folder / "private.jwks")


class ShortLived(PrivateKeyJWT):  # type: ignore[misc]  # the package has no types
    """Authlib's assertions, which it would make for an hour, and with one jti wherever it is given claims."""

    def sign(self, auth: Any, token_endpoint: str) -> Any:
        """Return an assertion of four minutes."""
        self.claims = {"exp": clock() // 1_000_000 + 240}
        return super().sign(auth, token_endpoint)


def bearing(answer: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {answer['access_token']}"}


def ask(guarded: Guarded, assertion: str) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "scope": SCOPES,
        "client_assertion_type": ASSERTION,
        "client_assertion": assertion,
    }
    return httpx.post(guarded.token_url, data=form)


def test_an_assertion_for_another_server_is_refused(guarded: Guarded) -> None:
    answer = ask(guarded, guarded.assertion(aud="https://evil.example/token"))

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_an_assertion_is_good_once_on_the_wire(guarded: Guarded) -> None:
    assertion = guarded.assertion()

    assert [ask(guarded, assertion).status_code for _ in range(3)] == [200, 401, 401]


@pytest.mark.parametrize("algorithm", KEYS)
def test_what_pyjwt_signs_gives_a_token_that_pyjwt_verifies(
    guarded: Guarded, algorithm: str
) -> None:
    answer = ask(guarded, guarded.assertion(algorithm)).json()

    origin = guarded.node.origin
    discovered = httpx.get(f"{origin}/.well-known/openid-configuration").json()
    keys = jwt.PyJWKSet.from_dict(httpx.get(discovered["jwks_uri"]).json())
    token = answer["access_token"]
    key = keys[jwt.get_unverified_header(token)["kid"]]
    said = jwt.decode(token, key, ["ES384"], audience=guarded.node.url, issuer=origin)
    assert (said["sub"], said["scope"], said["purpose"]) == ("loader", SCOPES, "TREAT")


async def test_authlib_signs_in_asks_about_its_token_and_gives_it_back(guarded: Guarded) -> None:
    async with AsyncOAuth2Client(
        "loader",
        KEYS["ES384"],
        token_endpoint_auth_method="private_key_jwt",  # noqa: S106 - a method
        revocation_endpoint_auth_method="private_key_jwt",
        scope=SCOPES,
    ) as client:
        client.register_client_auth_method(
            ShortLived(guarded.token_url, headers={"kid": "ES384"}, alg="ES384")
        )
        await client.fetch_token(guarded.token_url, grant_type="client_credentials")
        origin = guarded.node.origin
        told = await client.introspect_token(
            f"{origin}/auth/introspect", client.token["access_token"]
        )
        found = await client.get(f"{guarded.node.url}/Patient")
        assert (told.json()["active"], found.status_code) == (True, 200)
        given = bearing(client.token)

        revoked = await client.revoke_token(
            f"{origin}/auth/revoke",
            client.token["access_token"],
            token_type_hint="access_token",  # noqa: S106 - a type
        )

    assert revoked.status_code == 200
    assert httpx.get(f"{guarded.node.url}/Patient", headers=given).status_code == 401


def test_fhirclient_signs_in_and_reads(guarded: Guarded) -> None:
    token = ask(guarded, guarded.assertion()).json()
    patient = {"resourceType": "Patient", "id": "ada"}
    httpx.put(f"{guarded.node.url}/Patient/ada", json=patient, headers=bearing(token))
    settings = {
        "app_id": "loader",
        "api_base": guarded.node.url,
        "scope": SCOPES,
        "jwt_token": guarded.assertion(),
    }

    client = FHIRClient(settings=settings)
    client.wants_patient = False
    client.prepare()
    client.server.authorize()
    read = client.server.request_json("Patient/ada")
    client.server.session.close()

    assert read["id"] == "ada"


def test_smart_fetch_signs_in_and_reads(guarded: Guarded) -> None:
    token = ask(guarded, guarded.assertion()).json()
    patient = {"resourceType": "Patient", "id": "mary", "gender": "female"}
    httpx.put(f"{guarded.node.url}/Patient/mary", json=patient, headers=bearing(token))

    done = subprocess.run(
        (
            *(sys.executable, "-m", "smart_fetch.cli.main", "single", "Patient/mary", "--compact"),
            *("--fhir-url", guarded.node.url, "--smart-client-id", "loader"),
            *("--smart-key", str(guarded.keys)),
        ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["gender"] == "female"


def test_a_client_that_is_removed_is_out_within_a_second(guarded: Guarded) -> None:
    store = guarded.node.store
    added = typed(
        *("client", "add", "--store", store, "--id", "leaver", "--scopes", SCOPES),
        *("--jwks", str(guarded.keys.parent / "public.json"), "--purpose", "TREAT"),
    )
    assert added.returncode == 0, added.stderr
    token = ask(guarded, guarded.assertion(iss="leaver", sub="leaver")).json()
    url, headers = f"{guarded.node.url}/Patient", bearing(token)
    assert httpx.get(url, headers=headers).status_code == 200

    removed = typed("client", "remove", "--store", store, "--id", "leaver")

    assert removed.returncode == 0, removed.stderr
    asked = over = time.monotonic() + 1.0
    while httpx.get(url, headers=headers).status_code != 401:
        assert asked <= over, "it was let in by a request that began a second later"
        asked = time.monotonic()
    again = ask(guarded, guarded.assertion(iss="leaver", sub="leaver"))
    assert again.json()["error"] == "invalid_client"


def test_what_the_guide_says_can_be_copied(guarded: Guarded, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "guides" / "clients-and-tokens.md").read_text()
    make_keys, sign_in = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (register,) = re.findall(
        r"^fhir-server (client add [^`]*--jwks public[^`]*)```", page, re.MULTILINE
    )
    store = guarded.node.store
    register = register.replace("\\\n", " ")
    words = shlex.split(
        register.replace("sqlite:ward.db", store).replace("--id loader", "--id copied")
    )

    def run(*arguments: str) -> str:
        ran = subprocess.run(
            arguments, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    run(sys.executable, "-c", make_keys)
    added = typed(*words, cwd=tmp_path)
    assert added.returncode == 0, added.stderr
    token = run(sys.executable, "-c", sign_in.replace('"loader"', '"copied"'), guarded.node.url)

    headers = {"authorization": f"Bearer {token}"}
    assert httpx.get(f"{guarded.node.url}/Patient", headers=headers).status_code == 200
