"""The keys that tokens are signed with: sealed, rotated, and published before and after their use."""

from __future__ import annotations

import asyncio

import jwt
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.auth.server.signing import (
    KEPT_AFTER,
    KIND,
    PUBLISHED_BEFORE,
    READ_AGAIN,
    SigningKeys,
)
from tests.auth.server.material import MOMENT
from tests.support.remembering import Memory

SEAL = AESGCM(b"s" * 32)


async def signed(keys: SigningKeys, now: int) -> str:
    """Return the id of the key that access tokens are signed with."""
    token = await keys.sign("access", {"sub": "someone"}, kind="at+jwt", now=now)
    header = jwt.get_unverified_header(token)
    published = jwt.PyJWKSet.from_dict(dict(await keys.jwks(now=now)))
    jwt.decode(token, published[header["kid"]], algorithms=[header["alg"]])
    return str(header["kid"])


async def kids(keys: SigningKeys, now: int) -> set[str]:
    return set(await keys.public(now=now))


async def test_a_key_in_the_store_is_of_no_use_without_its_secret() -> None:
    values = Memory()
    kid = await signed(SigningKeys(values, SEAL), MOMENT)
    sealed = await values.get(KIND, kid, now=MOMENT)

    assert sealed is not None
    assert b'"d"' not in sealed
    with pytest.raises(InvalidTag):
        await SigningKeys(values, AESGCM(b"t" * 32)).all(now=MOMENT)
    await values.put(KIND, "another-id", sealed, now=MOMENT)
    with pytest.raises(InvalidTag):
        await SigningKeys(values, SEAL).all(now=MOMENT)


async def test_nothing_private_is_published() -> None:
    told = await SigningKeys(Memory(), SEAL).jwks(now=MOMENT)

    assert {each["alg"] for each in told["keys"]} == {"ES384", "RS256"}
    for each in told["keys"]:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(each)
        assert each["use"] == "sig"


async def test_processes_of_one_store_sign_with_one_key() -> None:
    values = Memory()
    one, other = SigningKeys(values, SEAL), SigningKeys(values, SEAL)
    first = await signed(one, MOMENT)

    assert await signed(other, MOMENT) == first
    assert await asyncio.gather(*(signed(one, MOMENT) for _ in range(5))) == [first] * 5


async def test_the_next_key_is_published_an_hour_before_it_is_used_and_the_old_one_kept() -> None:
    values = Memory()
    keys, others = SigningKeys(values, SEAL), SigningKeys(values, SEAL)
    old = await signed(keys, MOMENT)
    await others.all(now=MOMENT)

    await keys.rotate(now=MOMENT, algorithm="ES384", at_once=False)

    change = MOMENT + PUBLISHED_BEFORE
    assert await signed(keys, MOMENT) == old
    assert await signed(others, change - 1) == old
    soon = await kids(others, MOMENT + READ_AGAIN)
    new = await signed(others, change)
    assert new != old
    assert {old, new} <= soon
    assert old in await kids(others, change + KEPT_AFTER - 1)
    assert old not in await kids(others, change + KEPT_AFTER + READ_AGAIN)


async def test_keys_that_somebody_else_has_are_gone_at_once() -> None:
    values = Memory()
    keys = SigningKeys(values, SEAL)
    old = await signed(keys, MOMENT)
    await keys.rotate(now=MOMENT, algorithm="ES384", at_once=False)
    before = await kids(keys, MOMENT)

    gone = await keys.rotate(now=MOMENT, algorithm="RS384", at_once=True)

    assert set(gone) == before
    assert not before & await kids(keys, MOMENT)
    new = await signed(keys, MOMENT)
    assert new != old
    assert (
        jwt.get_unverified_header(await keys.sign("access", {}, kind="at+jwt", now=MOMENT))["alg"]
        == "RS384"
    )


async def test_the_first_keys_are_used_at_once() -> None:
    keys = SigningKeys(Memory(), SEAL)

    assert await keys.rotate(now=MOMENT, algorithm="ES384", at_once=False) == []

    made = {each.kid for each in await keys.all(now=MOMENT)}
    assert await signed(keys, MOMENT) in made
