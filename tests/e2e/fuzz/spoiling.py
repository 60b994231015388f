"""Ways to spoil a good body: its bytes, its JSON, its XML."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

SCALARS = (
    *(None, True, False, 0, -1, 1e400, float("nan"), 10**40, 1.10, "", " ", "\x00", "\ud800"),
    *(
        "a" * 70_000,
        "2020-13-45",
        "2020-02-30T25:61:00Z",
        "Patient/",
        "urn:uuid:nonsense",
        "#",
        "%",
    ),
    *(
        "' OR 1=1 --",
        "<script>",
        "\U0001d518\U0001d52b",
        "\u202e",
        "-",
        "http://[",
        "1/2",
        "$everything",
    ),
)
SHAPES: tuple[Any, ...] = (
    [],
    {},
    [[]],
    [None],
    [{}],
    {"": ""},
    {"resourceType": "Patient"},
    {"_": None},
    [[[[]]]],
)
NAMES = ("", "_", "__proto__", "_id", "id", "extension", "nonsense", "resourceType", "é", "$ref")
CLIPS = (
    *(b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\u"),
    *(b"1e999999999", b"-", b"NaN", b"\xef\xbb\xbf", b"[" * 4000, b'{"a":' * 3000, b"9" * 6000),
    *(b"<", b">", b"&", b"&#0;", b"&x;", b"<!DOCTYPE a>", b"]]>", b"<!--", b"<?x?>", b'xmlns=""'),
)

_PROLOGS = (
    '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    "<!DOCTYPE a ["
    + "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    + '<!ENTITY e0 "lol">]>',
    '<?xml version="1.1" encoding="utf-7"?>',
    '<?xml version="1.0" encoding="nonsense"?>',
    '<?xml-stylesheet href="http://127.0.0.1:9/"?>',
    "",
)
_FRAGMENTS = (
    '<id value="a b"/>',
    '<id value="x"/><id value="y"/>',
    "<nonsense/>",
    '<name xmlns="urn:other"/>',
    '<birthDate value="yesterday"/>',
    "text",
    "&e9;",
    "&b;",
    "<contained><Patient/><Patient/></contained>",
    "<contained/>",
    '<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><script/></div></text>',
    '<extension url=""><valueDecimal value="1e9999"/></extension>',
    "<name>" * 600 + "</name>" * 600,
    '<active value="true" other="x"/>',
    "<birthDate/>",
)


def spoiled_bytes(random: Random, body: bytes) -> bytes:
    """Cut, swap, double or insert bytes."""
    for _ in range(random.randint(1, 4)):
        at, until = sorted(random.randrange(len(body) + 1) for _ in range(2))
        match random.randrange(5):
            case 0:
                body = body[:at]
            case 1:
                body = body[:at] + random.choice(CLIPS) + body[at:]
            case 2:
                body = body[:at] + body[until:]
            case 3:
                body = body[:until] + body[at:]
            case _:
                body = body[:at] + random.randbytes(random.randint(1, 6)) + body[at:]
    return body


def spoiled_resource(random: Random, resource: dict[str, Any]) -> bytes:
    """Give some elements values, shapes or names that they cannot have."""
    spoiled = copy.deepcopy(resource)
    for _ in range(random.randint(1, 3)):
        _spoil(random, spoiled)
    # Lone surrogates travel escaped, NaN and Infinity as the words that JSON does not have.
    return json.dumps(spoiled, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


def spoiled_xml(random: Random) -> bytes:
    """Return XML that is no patient."""
    inner = "".join(random.choice(_FRAGMENTS) for _ in range(random.randint(0, 3)))
    namespace = random.choice(('xmlns="http://hl7.org/fhir"', "", 'xmlns="urn:x"'))
    name = random.choice(("Patient", "patient", "Bundle", "x:Patient", "Observation"))
    text = f"{random.choice(_PROLOGS)}<{name} {namespace}>{inner}</{name}>"
    body = text.encode(random.choice(("utf-8", "utf-8", "utf-16", "latin-1")))
    return spoiled_bytes(random, body) if random.random() < 0.3 else body


def _spoil(random: Random, resource: dict[str, Any]) -> None:
    place: Any = resource
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = random.choice(keys)
        inner = place[key]
        if isinstance(inner, (dict, list)) and inner and random.random() < 0.7:
            place = inner
            continue
        break
    value = copy.deepcopy(random.choice((random.choice(SCALARS), random.choice(SHAPES))))
    match random.randrange(4):
        case 0:
            place[key] = value
        case 1 if isinstance(place, dict):
            place[random.choice(NAMES)] = value
        case 2 if isinstance(place, dict):
            place[f"_{key}"] = value
        case 3:
            place[key] = [inner, value]
        case _:
            del place[key]
