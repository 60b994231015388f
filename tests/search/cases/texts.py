"""Strings and URIs: https://hl7.org/fhir/R4/search.html#string and #uri."""

from typing import Any

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a


def named(**name: Any) -> Resource:
    return a("Patient", name=[name])


def published(url: str, **elements: Any) -> Resource:
    return a("ValueSet", url=url, **elements)


RULES = [
    Rule(
        "given=eve: any patients with a name containing a given part with Eve at the start",
        named(given=["Evelyn"]),
        ("given=eve", "given=Eve", "given=EVELYN", "given=e", "name=eve"),
        ("given=lyn", "given=evelyne", "family=eve", "given=ev lyn"),
    ),
    Rule(
        "given:contains=eve: with eve at any position",
        named(given=["Severine"]),
        ("given:contains=eve", "given:contains=SEVER", "given:contains=rine", "name:contains=eve"),
        ("given=eve", "given:contains=evve", "family:contains=eve"),
    ),
    Rule(
        "given:exact=Eve: with a name containing a given part that is exactly Eve",
        named(given=["Eve"]),
        ("given:exact=Eve", "name:exact=Eve"),
        ("given:exact=eve", "given:exact=EVE", "given:exact=Ev", "given:exact=Evelyn"),
    ),
    Rule(
        "The search is insensitive to accents",
        named(family="Müller-Lüdenscheidt"),
        ("family=Muller", "family=MÜLLER", "family=mullerladen,muller", "family:contains=lüden"),
        ("family=Mueller", "family:exact=Muller-Ludenscheidt"),
    ),
    Rule(
        "Accents count for :exact",
        named(family="Núñez"),
        ("family:exact=Núñez", "family=nunez"),
        ("family:exact=Nunez",),
    ),
    Rule(
        "Punctuation and extra white space are not significant",
        named(family="Carreno  Quinones"),
        (
            "family=Carreno Quinones",
            "family=carreno-quinones",
            "family=Carreno, Quinones".replace(",", "\\,"),
        ),
        ("family=quinones", "family=carrenoq"),
    ),
    Rule(
        "An apostrophe separates, as it does for the other side",
        named(family="O'Brien"),
        ("family=o'brien", "family=O Brien", "family=O\u2019Brien", "family=o"),
        ("family=brien",),
    ),
    Rule(
        "ß folds to ss, ligatures to their letters",
        named(family="Straße ﬁn"),
        ("family=strasse", "family=STRASSE FIN"),
        ("family=strase",),
    ),
    Rule(
        "name: any of the string fields of the HumanName",
        named(
            family="Lovelace",
            given=["Augusta", "Ada"],
            prefix=["Countess"],
            suffix=["FRS"],
            text="Ada L.",
        ),
        ("name=love", "name=ada", "name=augusta", "name=countess", "name=frs", "name=ada l"),
        ("name=lace", "name=king"),
    ),
    Rule(
        "phonetic asks for what name asks for here",
        named(family="Lovelace"),
        ("phonetic=love", "phonetic:missing=false"),
        ("phonetic=lace", "phonetic:missing=true"),
    ),
    Rule(
        "address: any of the string fields of the Address",
        a(
            "Patient",
            address=[
                {
                    "line": ["1 High Street", "Flat 2"],
                    "city": "Leeds",
                    "district": "West",
                    "state": "Yorks",
                    "postalCode": "LS1 1AA",
                    "country": "GB",
                    "text": "home",
                }
            ],
        ),
        (
            "address=1 high",
            "address=flat",
            "address=leeds",
            "address=west",
            "address=yorks",
            "address=ls1",
            "address=gb",
            "address=home",
            "address-city=leeds",
            "address-postalcode=LS1 1AA",
            "address-country=GB",
            "address-state=York",
        ),
        ("address=street", "address-city=ls1", "address-postalcode=leeds"),
    ),
    Rule(
        "Commas are alternatives; an escaped comma is a comma",
        named(family="Smith, Jones"),
        ("family:exact=Smith\\, Jones", "family=brown,smith", "family=smith\\, jones"),
        ("family:exact=Smith, Jones", "family=brown,jones"),
    ),
    Rule(
        "A backslash is written twice, a bar and a dollar after one",
        named(family="a\\b|c$d"),
        ("family:exact=a\\\\b\\|c\\$d",),
        ("family:exact=a\\\\\\\\b\\|c\\$d",),
    ),
    Rule(
        "A null in a list of strings is no value",
        a(
            "Patient",
            name=[{"given": [None, "Ada"], "_given": [{"extension": [{"url": "urn:x"}]}, None]}],
        ),
        ("given=ada", "given:missing=false"),
        ("given=none", "given=null"),
    ),
    Rule(
        "A primitive that has extensions only is missing",
        a("Patient", name=[{"_family": {"extension": [{"url": "urn:x", "valueString": "y"}]}}]),
        ("family:missing=true", "name:missing=false"),
        ("family:missing=false", "family=y"),
    ),
    Rule(
        "The folded text is searched by its beginning however long it is",
        a("Questionnaire", status="draft", title="Word " * 100),
        ("title=word word", "title:contains=ord wor", f"title:exact={'Word ' * 100}"),
        (f"title:exact={'Word ' * 99}", "title=ord"),
    ),
    Rule(
        "A string among the values of an observation",
        a("Observation", valueString="Positive +++"),
        ("value-string=positive", "value-string:exact=Positive +++", "value-string=positive +++"),
        ("value-string=negative",),
    ),
    Rule(
        "The text of a concept is a string",
        a("Observation", valueCodeableConcept={"text": "Not detected"}),
        ("value-string=not", "value-string:contains=detect"),
        ("value-string=detected",),
    ),
    Rule(
        "Other scripts are searched as they are written",
        named(family="Иванов", given=["美咲"]),
        ("family=иван", "given=美", "name:contains=咲"),
        ("family=ivan", "given=咲"),
    ),
    Rule(
        "uri: an exact match, case and accents and all",
        published("http://acme.org/fhir/ValueSet/123"),
        ("url=http://acme.org/fhir/ValueSet/123", "url=urn:x,http://acme.org/fhir/ValueSet/123"),
        (
            "url=http://acme.org/fhir/valueset/123",
            "url=http://acme.org/fhir/ValueSet/12",
            "url=http://acme.org/fhir/ValueSet/123/",
            "url=https://acme.org/fhir/ValueSet/123",
        ),
    ),
    Rule(
        "uri:below: http://acme.org/fhir/ finds all that lie below it",
        published("http://acme.org/fhir/ValueSet/123"),
        (
            "url:below=http://acme.org/fhir/",
            "url:below=http://acme.org/fhir",
            "url:below=http://acme.org",
            "url:below=http://acme.org/fhir/ValueSet/123",
        ),
        (
            "url:below=http://acme.org/fhi",
            "url:below=http://acme.org/fhir/ValueSet/1",
            "url:below=http://acme.org/fhir/ValueSet/123/x",
        ),
    ),
    Rule(
        "uri:above: finds what the value lies below",
        published("http://acme.org/fhir/ValueSet"),
        (
            "url:above=http://acme.org/fhir/ValueSet/123/_history/5",
            "url:above=http://acme.org/fhir/ValueSet/123",
            "url:above=http://acme.org/fhir/ValueSet",
        ),
        ("url:above=http://acme.org/fhir", "url:above=http://acme.org/fhir/ValueSets/1"),
    ),
    Rule(
        "A URN is a URI",
        published("urn:oid:1.2.3.4.5"),
        ("url=urn:oid:1.2.3.4.5", "url:above=urn:oid:1.2.3.4.5", "url:below=urn:oid:1.2.3.4.5"),
        ("url=urn:oid:1.2.3.4", "url:below=urn:oid:1.2.3.4"),
    ),
    Rule(
        "A canonical with a version is found with it and without",
        a(
            "Patient",
            meta={"profile": ["http://hl7.org/fhir/StructureDefinition/x|1.0"], "source": "urn:me"},
        ),
        (
            "_profile=http://hl7.org/fhir/StructureDefinition/x",
            "_profile=http://hl7.org/fhir/StructureDefinition/x\\|1.0",
            "_source=urn:me",
        ),
        ("_profile=http://hl7.org/fhir/StructureDefinition/x\\|2.0", "_source=urn:you"),
    ),
    Rule(
        "A URI longer than the index keeps is found as a whole",
        published("http://acme.org/" + "x" * 300),
        ("url=http://acme.org/" + "x" * 300,),
        ("url=http://acme.org/" + "x" * 299, "url=http://acme.org/" + "x" * 301),
    ),
    Rule(
        "An additional modifier :text can be used to specify a search with advanced text handling",
        named(family="Carreno  Quinones-Smith", given=["Mary", "x+y"]),
        (
            "family:text=quinones",
            "family:text=CARREÑO",
            "family:text=smith quinones",
            'family:text="quinones smith"',
            "family:text=quinones-smith",
            "family:text=carreno not jones",
            "family:text=jones OR (quinones and smith)",
            "family:text=jones,smith",
            "name:text=mary smith",
            "name:text=carreno quinones smith",
            "given:text=x+y",
        ),
        (
            "family:text=quin",
            "family:text=inones",
            'family:text="carreno smith"',
            "family:text=smith-quinones",
            "family:text=smith not quinones",
            "family:text=mary",
            "name:text=mary jones",
            "given:text=y",
        ),
    ),
    Rule(
        "servers SHOULD support automatically detecting a |[version] portion as part of the search parameter",
        published("http://acme.org/vs", version="1.0-BETA"),
        (
            "url=http://acme.org/vs|1.0-BETA",
            "url=http://acme.org/vs",
            "url=x,http://acme.org/vs|1.0-BETA",
        ),
        (
            "url=http://acme.org/vs|1.0",
            "url=http://acme.org/vs\\|1.0-BETA",
            "url=http://acme.org/v|1.0-BETA",
        ),
        source="https://hl7.org/fhir/R4/search.html#uri",
    ),
]
