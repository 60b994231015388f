"""`client`, `user`, `token` and `keys`, as people type them: what is wrong is one line, what is done holds."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx2 as httpx
import jwt
import pytest

from fhir_server.cli import main
from tests.support.server import running_server
from tests.support.tokens import ec_key, published, rsa_key

APP = ("--redirect-uri", "https://app.example/cb", "--scopes", "patient/*.rs")


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Return what types a command on one store, and gives the lines that it prints."""

    def run(*words: str) -> list[str]:
        main([*words, "--store", f"sqlite:{tmp_path / 'fhir.db'}"])
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return what types a command that fails, and gives the one line that it prints."""

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*words, "--store", f"sqlite:{tmp_path / 'fhir.db'}"])
        told = capsys.readouterr()
        assert ended.value.code in {1, 2}
        assert told.out == ""
        assert len(told.err.splitlines()) == 1 or "usage:" in told.err
        return told.err.splitlines()[-1]

    return run


def written(file: Path, content: object) -> str:
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("client", "add", "--id", "a b", *APP), "id 'a b'"),
        (("client", "add", "--id", "app", "--scopes", "patient/*.rs"), "redirect URI"),
        (("client", "add", "--id", "app", *APP[:2], "--scopes", "all"), "'all'"),
        (("client", "add", "--id", "app", "--scopes", "system/*.rs"), "register its JWKS"),
        (("client", "add", "--id", "app", *APP, "--jwks", "nowhere.json"), "cannot be read"),
        (("client", "add", "--id", "app", *APP, "--jwks", "x", "--secret"), "not allowed with"),
        (("client", "add", "--id", "app", *APP, "--launch-url", "https://a.example/"), "launch"),
        (("client", "remove", "--id", "nobody"), "no client nobody"),
        (("user", "add", "--name", "ada"), "purposes"),
        (("user", "remove", "--name", "ada"), "no account ada"),
        (("token", "--scopes", "everything"), "'everything' is no scope"),
        (("token", "--patient", "a b"), "'a b' is no id"),
        (("token", "--minutes", "0"), "from 1 to 720"),
        (("token", "--minutes", "721"), "from 1 to 720"),
        (("keys", "rotate", "--algorithm", "HS256"), "invalid choice"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_cannot_be_done_is_told_in_one_line(
    refused: Callable[..., str], words: Sequence[str], told: str
) -> None:
    assert told in refused(*words)


def test_a_file_that_holds_no_public_keys_is_refused(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    add = ("client", "add", "--id", "loader", "--scopes", "system/*.rs", "--jwks")
    private = {"keys": [{**ec_key().as_dict(private=True), "kid": "a"}]}

    assert "private key" in refused(*add, written(tmp_path / "private.json", private))
    assert "no JWK set" in refused(*add, written(tmp_path / "text.json", "{"))
    assert "no key" in refused(*add, written(tmp_path / "none.json", {"keys": []}))


def test_a_client_is_registered_listed_and_removed(
    typed: Callable[..., list[str]], refused: Callable[..., str], tmp_path: Path
) -> None:
    keys = written(tmp_path / "one.json", published(rsa_key()))
    typed("client", "add", "--id", "loader", "--scopes", "system/*.rs", "--jwks", keys)
    secret = typed("client", "add", "--id", "web", "--secret", *APP)[-1].rpartition(" ")[2]
    assert typed("client", "add", "--id", "app", *APP) == ["client app is registered"]
    assert "registered already" in refused("client", "add", "--id", "app", *APP)

    assert typed("client", "list") == [
        "app  public  patient/*.rs  https://app.example/cb",
        "loader  keys  system/*.rs",
        "web  secret  patient/*.rs  https://app.example/cb",
    ]
    assert len(secret) > 40
    for name in ("app", "loader", "web"):
        assert "tokens are withdrawn" in typed("client", "remove", "--id", name)[0]
    assert typed("client", "list") == ["no client is registered"]


def test_an_account_has_a_password_that_is_shown_once_or_typed(
    typed: Callable[..., list[str]],
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = typed("user", "add", "--name", "ada", "--role", "R8000", "--purposes", "TREAT, HRESCH")
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    typed("user", "add", "--name", "mary", "--patients", "mary", "--password-stdin")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))

    assert "12 characters" in refused(
        "user", "add", "--name", "bob", "--patients", "bob", "--password-stdin"
    )
    assert "is there already" in refused("user", "add", "--name", "ADA", "--purposes", "TREAT")
    assert len(told[-1].rpartition(" ")[2]) == 20
    assert typed("user", "list") == [
        "ada  ada  R8000  TREAT,HRESCH  any patient",
        "mary  mary  patients mary",
    ]
    typed("user", "remove", "--name", "ada")
    typed("user", "remove", "--name", "mary")
    assert typed("user", "list") == ["there is no account"]


def test_keys_are_listed_by_what_they_are_there_for(typed: Callable[..., list[str]]) -> None:
    assert typed("keys", "list")[0].startswith("there are no keys yet")

    first = typed("keys", "rotate")
    assert {line.partition("  ")[2] for line in first} == {
        "access tokens  ES384  signs",
        "id tokens  RS256  signs",
    }
    second = typed("keys", "rotate", "--algorithm", "RS384")
    assert [line.split("  ")[3][:4] for line in second].count("next") == 2
    third = typed("keys", "rotate", "--at-once")
    assert len(third) == 2
    assert not {line.split()[0] for line in third} & {line.split()[0] for line in first + second}


@pytest.mark.parametrize("purpose", ["TREET", "HMARKT", "PATRQT", "TREAT,HSYSADMIN"])
def test_a_hub_is_not_registered_for_what_nobody_may_have(
    typed: Callable[..., list[str]], capsys: pytest.CaptureFixture[str], purpose: str
) -> None:
    url = ("--jwks", "https://hub.example/federated/jwks", "--scopes", "system/*.rs")
    with pytest.raises(SystemExit) as ended:
        typed("client", "add", "--id", "hub", *url, "--on-behalf", purpose)
    assert ended.value.code == 2
    assert "--on-behalf" in capsys.readouterr().err
    typed("client", "add", "--id", "hub", *url, "--on-behalf", "TREAT,PATADMIN")
    assert typed("client", "list")[0].endswith("on behalf of others for TREAT,PATADMIN")


def test_a_token_for_development_opens_the_store_until_its_key_is_withdrawn(
    typed: Callable[..., list[str]], tmp_path: Path
) -> None:
    with running_server(tmp_path / "fhir.db", auth="smart") as base:
        port = base.removesuffix("/fhir").rpartition(":")[2]
        flags = ("--role", "R8000", "--organisation", "RXX", "--minutes", "5", "--port", port)
        (token,) = typed("token", *flags)
        headers = {"authorization": f"Bearer {token}"}
        elsewhere = {"authorization": f"Bearer {typed('token', '--port', '1')[0]}"}

        said = jwt.decode(token, options={"verify_signature": False})
        assert (said["role"], said["organisation"], said["purpose"]) == ("R8000", "RXX", "TREAT")
        assert said["exp"] - said["iat"] == 300
        assert httpx.get(f"{base}/Patient", headers=elsewhere).status_code == 401
        assert httpx.get(f"{base}/Patient", headers=headers).status_code == 200
        typed("keys", "rotate", "--at-once")
        # Within a second; the next read of the withdrawals may be half of one away.
        tries = (httpx.get(f"{base}/Patient", headers=headers) for _ in range(1_000))
        last = next(each for each in tries if each.status_code == 401)
        assert last.json()["resourceType"] == "OperationOutcome"
