"""The people of the demonstration: they can sign in, and only with the passwords of this start."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from fhir_server.auth.server.accounts import Accounts
from fhir_server.cli.demo import _sign_ins
from fhir_server.demonstration.accounts import accounts
from fhir_server.demonstration.generation import platform
from fhir_server.offline import authorization, demonstration_passwords
from fhir_server.settings import Settings
from fhir_server.wiring import clock


def settings_for(folder: Path) -> Settings:
    return Settings(store=f"sqlite:{folder / 'demo.db'}", auth="smart")


async def signed_in(known: Accounts, pairs: list[tuple[str, str]]) -> list[str | None]:
    found = [await known.verify(*each, now=clock()) for each in pairs]
    return [None if each is None else each.subject for each in found]


async def test_passwords_are_those_of_the_last_start(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)

    before = list(await demonstration_passwords(settings))
    after = list(await demonstration_passwords(settings))

    async with authorization(settings) as server:
        assert await signed_in(server.accounts, before) == [None, None, None]
        assert await signed_in(server.accounts, after) == ["doctor", "desk", "patient"]


def test_each_account_is_of_somebody_in_the_data() -> None:
    resources = platform(seed=1, trusts=1, patients=20, today=date(2026, 11, 23))
    known = {f"{each['resourceType']}/{each['id']}" for each in resources}

    own = {each.fhir_user for each in accounts()} - {None}
    bound = {f"Patient/{each}" for user in accounts() for each in user.patients or ()}

    assert own | bound <= known


def test_nobody_is_told_how_to_sign_in_where_nobody_is_asked(tmp_path: Path) -> None:
    assert _sign_ins(Settings(auth="none"), ()) == ""


def test_people_are_told_where_and_how_to_sign_in(tmp_path: Path) -> None:
    told = _sign_ins(settings_for(tmp_path), [("doctor", "a password")])

    assert "http://127.0.0.1:8000/auth/launch" in told
    assert "doctor        a password\n" in told
