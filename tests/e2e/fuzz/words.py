"""The words that bad requests are put together from: some are right, most are nearly so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TYPES = (b"Patient", b"Observation", b"Encounter", b"Bundle", b"Binary", b"Immunization")
IDS = (
    *(b"known", b"nobody", b"a_b", b"%00", b"%FF", b"..", b"%2e%2e", b"%2F", b"x" * 65, b"%20"),
    *(b"%E2%82%AC", b"%", b"%zz", b"a%0d%0ab", b"~", b"$x", b"_search", b"-", b".", b"@", b";a=1"),
)
VERSIONS = (
    b"1",
    b"0",
    b"-1",
    b"01",
    b"1.0",
    b"9" * 30,
    b"",
    b"x",
    b"%31",
    b"1%00",
    b"W%2F%221%22",
)
SEGMENTS = (
    *TYPES,
    *IDS,
    b"",
    b"_history",
    b"metadata",
    b"$export",
    b"$everything",
    b"$lastn",
    b"*",
    b"fhir",
    b"?",
)
PARAMETERS = (
    *(b"_id", b"_lastUpdated", b"_count", b"_sort", b"_include", b"_revinclude", b"_elements"),
    *(b"_summary", b"_total", b"_cursor", b"_format", b"_pretty", b"_type", b"_since", b"_at"),
    *(b"_tag", b"_has:Observation:patient:code", b"_filter", b"_content", b"_contained", b"_query"),
    *(b"name", b"birthdate", b"identifier", b"patient", b"subject:Patient.name", b"code", b"date"),
    *(b"value-quantity", b"code-value-quantity", b"gender", b"general-practitioner", b"address"),
    *(b"near", b"location.near", b"questionnaire.title", b"subject:Patient._filter"),
    *(
        b"nonsense",
        b"",
        b"%00",
        b":",
        b"name:",
        b"name:exact:exact",
        b"%",
        b"a%5B%5D",
        b"__proto__",
    ),
)
MODIFIERS = (
    *(b"", b"", b"", b":missing", b":exact", b":contains", b":not", b":in", b":below", b":above"),
    *(b":identifier", b":Patient", b":text", b":nonsense", b":iterate", b":of-type", b":%00"),
)
VALUES = (
    *(b"", b"x", b"true", b"0", b"-1", b"1e400", b"NaN", b"%00", b"%FF", b"%ED%A0%80", b"%", b"%C"),
    *(b"2020", b"ge2020-02-31", b"ap9999-12-31T23:59:60Z", b"lt0000", b"eq1e9", b"sa10000-01-01"),
    *(b"2020-01-01T00:00:00%2B25:00", b"|", b"||", b"a|b|c|d", b"5.4|http://x|mg", b"\\|", b"\\"),
    *(b"name%20co%20x%20or%20not(_id%20eq%20y)", b"name%20eq", b"((", b"subject[code%20eq%20x"),
    *(b"54|-1.9|5|km", b"54|-1.9", b"90|180|1e9", b"54|-1.9|5|kg", b"-90|-180|0,0|0"),
    *(b",", b",,,,", b"$", b"a$b$c", b"Patient/known", b"Patient/", b"http://x/fhir/Patient/1"),
    *(
        b"Patient:*",
        b"*",
        b"*:*:*",
        b"Observation:patient:Nonsense",
        b"-",
        b"--birthdate",
        b"_id,-_id",
    ),
    *(
        b"9" * 400,
        b"a" * 3000,
        b"," * 400,
        b"%F0%9D%94%98",
        b"'%3B--",
        b"{{7*7}}",
        b"${x}",
        b"true,false",
    ),
    *(
        b"1000000",
        b"json",
        b"xml",
        b"application/fhir%2Bxml",
        b"text",
        b"count",
        b"data",
        b"accurate",
    ),
)
TAGS = (b'W/"1"', b'"1"', b"1", b"*", b"W/1", b'W/"x"', b'W/"1", W/"2"', b'W/"-1"', b"", b'"' * 50)
MEDIA = (
    *(b"application/fhir+json", b"application/fhir+xml", b"application/json", b"text/xml", b"*/*"),
    *(b"text/html", b"text/turtle", b"nonsense", b"", b"/", b";;;", b"application/fhir+json;q=x"),
    *(b"application/fhir+json; fhirVersion=5.0", b"application/fhir+xml;charset=utf-7", b"," * 50),
    *(b"application/fhir+json; charset=ebcdic", b"image/png", b"application/json-patch+json"),
)
DATES = (
    b"Mon, 23 Nov 2026 06:00:00 GMT",
    b"yesterday",
    b"0",
    b"2020-01-01",
    b"",
    b"Mon, 99 Nov 2026",
)
PREFERENCES = (
    *(
        b"return=minimal",
        b"return=nonsense",
        b"handling=lenient",
        b"handling=strict",
        b"respond-async",
    ),
    *(
        b"return=OperationOutcome, handling=x",
        b"=",
        b";" * 40,
        b"return",
        b"return=minimal,return=x",
    ),
)
HEADERS: Mapping[bytes, Sequence[bytes]] = {
    b"If-Match": TAGS,
    b"If-None-Match": TAGS,
    b"If-Modified-Since": DATES,
    b"If-None-Exist": (
        b"",
        b"?",
        b"identifier=",
        b"nonsense=1",
        b"name=%FF",
        b"http://x/?a=b",
        b"_id=known",
    ),
    b"Accept": MEDIA,
    b"Accept-Encoding": (b"gzip", b"gzip;q=0", b"br", b"nonsense;q=x", b"*", b","),
    b"Content-Type": MEDIA,
    b"Content-Encoding": (b"gzip", b"br", b"identity", b"nonsense"),
    b"Prefer": PREFERENCES,
    b"Origin": (b"http://evil.example", b"null", b""),
    b"X-Request-Id": (b"x" * 500, b"a b", b"\xff", b"ok"),
    b"X-Forwarded-Host": (b"evil.example",),
    b"X-HTTP-Method-Override": (b"DELETE", b"nonsense"),
    b"Authorization": (b"Bearer x", b"Basic", b""),
    b"Range": (b"bytes=0-1", b"bytes=x"),
    b"Expect": (b"nonsense",),
    b"Content-Length-Ish": (b"12",),
}
METHODS = (
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"PURGE",
    b"QUERY",
)
POINTERS = (
    *(
        "",
        "/",
        "/name/0/family",
        "/name/-",
        "/name/99",
        "/name/01",
        "/~2",
        "/a/b/c",
        "/resourceType",
    ),
    *("/id", "/meta", "/meta/versionId", "/birthDate", "name", "/name/0/0", "/__class__", "/-"),
)
PATHS = (
    *(
        "Patient",
        "Patient.name",
        "Patient.name.where(true)",
        "Patient.name[0].given",
        "$this",
        "%resource",
    ),
    *(
        "Patient.repeat($this)",
        "1 + 1",
        "Patient.name.given.matches('(a+)+$')",
        "",
        "(((",
        "'unclosed",
    ),
    *(
        "Patient.birthDate",
        "Observation.value",
        "Patient.active",
        "@2020-99-99",
        "{}",
        "Patient." * 200,
    ),
)
URLS = (
    *("Patient", "Patient/known", "Patient?identifier=x", "Patient?", "Patient/a_b", "", "/", "?"),
    *("http://elsewhere.example/Patient/1", "../metrics", "Nonsense/1", "Patient/known/_history/1"),
    *("Patient?nonsense=1", "metadata", "$export", "Patient/%FF", "Patient?name=%00", "_history"),
)
