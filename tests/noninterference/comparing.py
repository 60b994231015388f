"""The property: a store, and its copy without what is hidden, give one caller the same answers, byte for byte.

Goguen and Meseguer, Security Policies and Security Models (1982). Row-level erasure keeps ids and versions, so that
equality is exact. Others write meanwhile: what stays hidden to the one store alone, what newly denies to both, and the
copy loses what is denied then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import msgspec

from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from tests.noninterference.asking import (
    LATER,
    Answer,
)
from tests.noninterference.erasing import Reach, erase, hidden_keys, hidden_names, past_hidden
from tests.noninterference.keeping import Keep
from tests.noninterference.scripts import Ask, a_script
from tests.noninterference.sides import (
    Side,
    a_caller,
    admitted,
    build,
    inline,
    opened,
    reach_of,
    write,
)
from tests.noninterference.worlds import (
    PEOPLE,
    a_consent,
    a_provision,
    number_of,
)

_SHOWN = 300
SCRIPTS_TOGETHER = 25
"""Scripts of one caller: they go on where the last one ended."""

CALLERS = 4
"""Callers of one store, each of whom begins with it as it was."""

STATUSES = {200, 201, 204, 304, 400, 403, 404, 409, 410, 412, 422}


@dataclass
class Tally:
    """What was done so far."""

    scripts: int = 0
    answers: int = 0
    hidden: int = 0
    events: int = 0
    statuses: set[int] = field(default_factory=set)


class Different(AssertionError):
    """The hidden made a difference: the two answers, and what was asked before."""


async def compare_world(
    keep: Keep, seed: int, tally: Tally, done: Callable[[], None], *, callers: int = CALLERS
) -> None:
    """Run the scripts of some callers on one random store and its copies; raise Different."""
    random = Random(seed)
    with inline():
        keep("world").clear()
        await build(keep("world"), random)
        for _ in range(callers):
            await compare_caller(keep, random.getrandbits(64), tally, done)


async def compare_caller(keep: Keep, seed: int, tally: Tally, done: Callable[[], None]) -> None:
    """Run the scripts of one caller, side by side."""
    random = Random(seed)
    access = a_caller(random)
    reach = reach_of(access)
    full, rest = keep("full"), keep("rest")
    keep("world").copy_to(full)
    await admitted(full, reach)
    full.copy_to(rest)
    tally.hidden += erase(rest, reach)
    async with opened(full, access) as one, opened(rest, access) as other:
        for _ in range(SCRIPTS_TOGETHER):
            if not await _compare_script(random, one, other, reach, tally):
                return
            tally.scripts += 1
            done()


async def _compare_script(
    random: Random, one: Side, other: Side, reach: Reach, tally: Tally
) -> bool:
    """Compare the answers; return False where the caller itself lifted what was denied, so that more is to be seen."""
    asked: list[object] = []
    for ask in a_script(random, writes=True):
        if random.random() < 0.08:
            asked.append(await _event(random, one, other, reach))
            tally.events += 1
        if _may_tell(ask, one, reach):
            continue
        asked.append(ask)
        hidden = _hidden(one, reach) if ask.may_lift else set()
        await _compare(ask, one, other, asked, tally)
        if hidden and not hidden <= _hidden(one, reach):
            return False
    return True


def _hidden(side: Side, reach: Reach) -> set[object]:
    return {*hidden_keys(side.kept, reach), *past_hidden(side.kept, reach)}


async def _compare(ask: Ask, one: Side, other: Side, asked: Sequence[object], tally: Tally) -> None:
    of_one, of_other = await one.answers(ask), await other.answers(ask)
    tally.answers += len(of_one)
    tally.statuses.update(status for _, status, _, _ in of_one)
    if of_one != of_other:
        first, second = next(
            pair for pair in zip(of_one, of_other, strict=False) if pair[0] != pair[1]
        )
        told = "\n  ".join(map(repr, asked))
        at = _first_difference(first[3], second[3])
        raise Different(
            f"\n  {told}\nfrom byte {at} on, with what is hidden\n  {_around(first, at)}\nwithout\n  {_around(second, at)}"
        )


def _first_difference(first: bytes, second: bytes) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))


def _around(answer: Answer, at: int) -> tuple[object, ...]:
    """Return an answer with no more of its body than tells the difference."""
    asked, status, headers, body = answer
    return asked, status, headers, body[max(0, at - _SHOWN) : at + _SHOWN]


def _may_tell(ask: Ask, one: Side, reach: Reach) -> bool:
    """Tell whether this is the one request that may: a client's own id that is taken by what was denied to it.

    See docs/decisions/0041-one-door.md.
    """
    bodies = [ask.body]
    if isinstance(ask.body, dict) and ask.body["resourceType"] == "Bundle":
        bodies = [each.get("resource") for each in ask.body["entry"]]
    if not reach.rights.chooses_ids:
        return False
    named = [each for each in bodies if isinstance(each, dict) and "id" in each]
    updating = reach.rights.sight("u")
    chosen = [each for each in named if updating.patient_of(each["resourceType"]) is None]
    if not chosen:
        return False
    hidden = hidden_keys(one.kept, reach)
    return any(f"{each['resourceType']}/{each['id']}" in hidden for each in chosen)


async def _event(random: Random, one: Side, other: Side, reach: Reach) -> str:
    """Let others write: something that stays hidden, or something that hides."""
    if random.random() < 0.5:
        return await _hidden_write(random, one, other, reach)
    return await _revocation(random, one, other, reach)


async def _hidden_write(random: Random, one: Side, other: Side, reach: Reach) -> str:
    """Write what is hidden before and after, to the one store alone."""
    hidden = [each for each in hidden_keys(one.kept, reach) if each.startswith("Observation/")]
    key = Key("Observation", random.choice(sorted(hidden)).partition("/")[2]) if hidden else None
    current = None if key is None else await one.store.read(Visibility.everything("test"), key)
    one.clock.tick()
    other.clock.tick()
    if key is None or current is None or current.body is None:
        return "nothing hidden to write"
    resource = msgspec.json.decode(current.body)
    resource |= {"note": [{"text": f"dizzy at night {random.random()}"}]}
    await write(one.others, (key, None if random.random() < 0.3 else resource))
    assert str(key) in hidden_keys(one.kept, reach)
    return f"others write {key}, which is hidden"


async def _revocation(random: Random, one: Side, other: Side, reach: Reach) -> str:
    """Deny something more, to both stores; the copy loses what is denied by it."""
    if random.random() < 0.4:
        for side in (one, other):
            await side.store.replace_opt_outs([number_of(each) for each in PEOPLE], as_of=LATER)
        told = "all opt out"
    else:
        denying = a_consent(random) | {"id": f"r{random.getrandbits(30)}", "status": "active"}
        denying["provision"] = a_provision(random) | {"type": "deny"}
        for side in (one, other):
            side.clock.tick()
            await write(side.others, (Key("Consent", denying["id"]), denying))
        told = f"others write {denying}"
    # By names: what tells of something that is gone from the copy is still hidden in the store.
    erase(other.kept, reach, also=hidden_names(one.kept, reach))
    return told
