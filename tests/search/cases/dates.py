"""Dates: https://hl7.org/fhir/R4/search.html#date and #prefix. Times without zone are London's."""

from typing import Any

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a


def observed(effective: str) -> Resource:
    return a("Observation", effectiveDateTime=effective)


def lasting(**period: str) -> Resource:
    return a("Observation", effectivePeriod=period)


def scheduled(**timing: Any) -> Resource:
    return a("Observation", effectiveTiming=timing)


def born(day: str) -> Resource:
    return a("Patient", birthDate=day)


RULES = [
    Rule(
        "eq: the range of the search value fully contains the range of the target value",
        observed("2013-01-14T10:00:00Z"),
        (
            "date=2013",
            "date=2013-01",
            "date=2013-01-14",
            "date=eq2013-01-14",
            "date=2013-01-14T10:00",
            "date=2013-01-14T10:00Z",
            "date=2013-01-14T10:00:00Z",
            "date=2013-01-14T11:00:00+01:00",
            "date=2013-01-14T05:00:00-05:00",
        ),
        (
            "date=2012",
            "date=2013-02",
            "date=2013-01-13",
            "date=2013-01-15",
            "date=2013-01-14T10:01",
            "date=2013-01-14T10:00:01Z",
            "date=2013-01-14T10:00:00.000Z",
            "date=2013-01-14T10:00:00+01:00",
        ),
    ),
    Rule(
        "eq2013-01-14 does not match 2013-01, which is not fully contained in the day",
        born("2013-01"),
        ("birthdate=2013", "birthdate=2013-01"),
        ("birthdate=2013-01-14", "birthdate=2013-01-01", "birthdate=2012"),
    ),
    Rule(
        "ne: the range of the search value does not fully contain the range of the target value",
        born("2013-01"),
        ("birthdate=ne2013-01-14", "birthdate=ne2013-02", "birthdate=ne2014"),
        ("birthdate=ne2013", "birthdate=ne2013-01"),
    ),
    Rule(
        "ne speaks of the value in the resource: without a value there is none that differs",
        a("Patient"),
        ("birthdate:missing=true",),
        ("birthdate=ne2013", "birthdate=2013", "birthdate:missing=false"),
    ),
    Rule(
        "lt: the range below the search value intersects with the range of the target value",
        born("2013-01-14"),
        ("birthdate=lt2013-01-15", "birthdate=lt2013-02", "birthdate=lt2014"),
        ("birthdate=lt2013-01-14", "birthdate=lt2013", "birthdate=lt2013-01", "birthdate=lt2012"),
    ),
    Rule(
        "lt2013-01-14T10:00 includes 2013-01-14, as that day includes the time before 10:00",
        born("2013-01-14"),
        ("birthdate=lt2013-01-14T10:00", "birthdate=gt2013-01-14T10:00"),
        ("birthdate=lt2013-01-14T00:00", "birthdate=gt2013-01-14T23:59"),
    ),
    Rule(
        "gt: the range above the search value intersects with the range of the target value",
        born("2013-01-14"),
        ("birthdate=gt2013-01-13", "birthdate=gt2012", "birthdate=gt2012-12"),
        ("birthdate=gt2013-01-14", "birthdate=gt2013", "birthdate=gt2013-01", "birthdate=gt2014"),
    ),
    Rule(
        "gt of a part of a longer value: what goes on after it intersects with the range above",
        born("2013"),
        ("birthdate=gt2013-01-14", "birthdate=lt2013-01-14", "birthdate=gt2012-12-31"),
        ("birthdate=gt2013", "birthdate=lt2013", "birthdate=gt2013-12-31"),
    ),
    Rule(
        "ge: the range above intersects, or the search value fully contains the target",
        born("2013-03-14"),
        ("birthdate=ge2013-03-14", "birthdate=ge2013-03", "birthdate=ge2013", "birthdate=ge2012"),
        ("birthdate=ge2013-03-15", "birthdate=ge2013-04", "birthdate=ge2014"),
    ),
    Rule(
        "le: the range below intersects, or the search value fully contains the target",
        born("2013-03-14"),
        ("birthdate=le2013-03-14", "birthdate=le2013-03", "birthdate=le2013", "birthdate=le2014"),
        ("birthdate=le2013-03-13", "birthdate=le2013-02", "birthdate=le2012"),
    ),
    Rule(
        "ge and le of a period that begins before and ends after: it is on both sides",
        lasting(start="2013-01-01", end="2013-12-31"),
        ("date=ge2013-06", "date=le2013-06", "date=gt2013-06", "date=lt2013-06", "date=ne2013-06"),
        ("date=2013-06", "date=sa2013-06", "date=eb2013-06"),
    ),
    Rule(
        "sa: the search value does not overlap the target, and the range above contains it",
        lasting(start="2013-03-15", end="2013-04-01"),
        ("date=sa2013-03-14", "date=sa2013-02", "date=sa2012"),
        ("date=sa2013-03-15", "date=sa2013-03", "date=sa2013", "date=sa2013-04-02"),
    ),
    Rule(
        "eb: the search value does not overlap the target, and the range below contains it",
        lasting(start="2013-03-15", end="2013-04-01"),
        ("date=eb2013-04-02", "date=eb2013-05", "date=eb2014"),
        ("date=eb2013-04-01", "date=eb2013-04", "date=eb2013", "date=eb2013-03-15"),
    ),
    Rule(
        "ap: the range of the search value overlaps, widened by 10% of the gap to now (2024-06-15)",
        born("2013-01-14"),
        ("birthdate=ap2013", "birthdate=ap2012", "birthdate=ap2013-06", "birthdate=ap2014-01"),
        ("birthdate=ap2010", "birthdate=ap2014", "birthdate=ap2015", "birthdate=ap1990"),
    ),
    Rule(
        "ap: close to now little is approximate",
        observed("2024-06-01T12:00:00Z"),
        ("date=ap2024-06-01", "date=ap2024-06-02", "date=ap2024-05-31", "date=ap2024-06"),
        ("date=ap2024-05-25", "date=ap2024-06-05"),
    ),
    Rule(
        "If the start of a period is missing, it is open: before any date",
        lasting(end="2013-12-31"),
        ("date=lt1900", "date=le2013", "date=eb2014", "date=lt2013-12-31", "date=gt2012"),
        ("date=gt2013", "date=sa1800", "date=2013", "date=ge2014"),
    ),
    Rule(
        "If the end of a period is missing, it is open: ongoing",
        lasting(start="2013-01-01"),
        ("date=gt2999", "date=ge2013", "date=sa2012", "date=lt2014", "date=ge9999"),
        ("date=2013", "date=lt2013", "date=eb9999", "date=sa2013"),
    ),
    Rule(
        "A period without both ends is no period of time",
        lasting(id="p"),
        ("date:missing=false",),
        ("date=ge0001", "date=le9999", "date=ne2020"),
    ),
    Rule(
        "A period whose ends are in the wrong order is found between them",
        lasting(start="2020-03-01", end="2020-01-01"),
        ("date=2020", "date=ge2020-02", "date=le2020-02"),
        ("date=2020-02", "date=gt2020-03", "date=lt2020"),
    ),
    Rule(
        "A period with both ends is contained where both are",
        lasting(start="2013-01-23T10:00:00Z", end="2013-01-23T11:00:00Z"),
        ("date=2013-01-23", "date=2013-01", "date=ge2013-01-23T10:30Z", "date=le2013-01-23T10:30Z"),
        ("date=2013-01-23T10:00Z", "date=2013-01-22", "date=sa2013-01-23T10:30Z"),
    ),
    Rule(
        "What has no zone is local: a summer day in London begins at 23:00 UTC",
        born("2020-07-01"),
        (
            "birthdate=ge2020-06-30T23:00:00Z",
            "birthdate=sa2020-06-30T22:59:59Z",
            "birthdate=eb2020-07-01T23:00:00Z",
        ),
        ("birthdate=sa2020-06-30T23:00:00Z", "birthdate=eb2020-07-01T22:59:59Z"),
    ),
    Rule(
        "What has no zone is local: an instant just before midnight UTC is the next day's in summer",
        observed("2020-06-30T23:30:00Z"),
        ("date=2020-07-01", "date=2020-07", "date=2020-07-01T00:30"),
        ("date=2020-06-30", "date=2020-06", "date=2020-06-30T23:30"),
    ),
    Rule(
        "What has no zone is local: in winter London's midnight is that of UTC",
        observed("2020-12-31T23:59:59.5Z"),
        ("date=2020", "date=2020-12-31", "date=lt2021", "date=2020-12-31T23:59:59Z"),
        ("date=2021", "date=ge2021-01-01"),
    ),
    Rule(
        "The day on which the clocks go forward has 23 hours",
        observed("2020-03-29T22:59:59Z"),
        ("date=2020-03-29",),
        ("date=2020-03-30",),
    ),
    Rule(
        "The day on which the clocks go back has 25 hours",
        observed("2020-10-25T23:59:59Z"),
        ("date=2020-10-25",),
        ("date=2020-10-26",),
    ),
    Rule(
        "A leap day is a day, and belongs to its month and year",
        born("2020-02-29"),
        ("birthdate=2020-02-29", "birthdate=2020-02", "birthdate=2020", "birthdate=lt2020-03"),
        ("birthdate=2020-03", "birthdate=ge2020-03-01"),
    ),
    Rule(
        "Fractions of a second narrow the value that they are written in",
        a("Provenance", recorded="2020-01-01T10:00:00.123Z"),
        ("recorded=2020-01-01T10:00:00Z", "recorded=2020-01-01T10:00:00.12Z"),
        ("recorded=2020-01-01T10:00:00.124Z", "recorded=2020-01-01T10:00:00.13Z"),
    ),
    Rule(
        "A blank in the zone is a plus sign that was not percent-encoded",
        observed("2013-01-14T10:00:00Z"),
        ("date=2013-01-14T11:00:00 01:00",),
        ("date=2013-01-14T10:00:00 01:00",),
    ),
    Rule(
        "Timing: the specified scheduling details are ignored and only the outer limits matter",
        scheduled(event=["2020-01-05", "2020-03-05"]),
        ("date=2020", "date=ge2020-02", "date=le2020-02", "date=gt2020-01-05", "date=sa2020-01-04"),
        ("date=2020-01", "date=2020-02", "date=sa2020-01-05", "date=eb2020-03-05"),
    ),
    Rule(
        "Timing: the bounds are outer limits as well",
        scheduled(repeat={"boundsPeriod": {"start": "2020-01-05"}, "frequency": 3}),
        ("date=gt2999", "date=sa2020-01-04"),
        ("date=2020", "date=lt2020-01-05"),
    ),
    Rule(
        "Timing without events and bounds has no limits",
        scheduled(repeat={"frequency": 3}),
        ("date:missing=false",),
        ("date=ne2020", "date=ge1900"),
    ),
    Rule(
        "Commas are alternatives, a repeated parameter must hold each time",
        born("2013-01-14"),
        (
            "birthdate=2012,2013",
            "birthdate=ge2013-01-01&birthdate=lt2013-02-01",
            "birthdate=lt2000,gt2010",
        ),
        ("birthdate=2011,2012", "birthdate=ge2013-01-01&birthdate=lt2013-01-10"),
    ),
    Rule(
        "Two criteria may be satisfied by different values, one criterion by the same value",
        a(
            "Goal",
            target=[{"dueDate": "2020-01-10"}, {"dueDate": "2020-03-10"}],
        ),
        (
            "target-date=2020-01-10&target-date=2020-03-10",
            "target-date=lt2020-02&target-date=gt2020-02",
        ),
        ("target-date=2020-02", "target-date=2020-01-10&target-date=2020-02"),
    ),
    Rule(
        "The parameter names its type: an onset that is an age is no date",
        a("Condition", onsetAge={"value": 5, "code": "a", "system": "http://unitsofmeasure.org"}),
        ("onset-date:missing=true", "onset-age=5"),
        ("onset-date=ge1900", "onset-date:missing=false"),
    ),
    Rule(
        "Dates at the ends of the calendar",
        born("9999-12-31"),
        ("birthdate=9999", "birthdate=9999-12", "birthdate=9999-12-31", "birthdate=gt9998"),
        ("birthdate=gt9999", "birthdate=lt9999-12-31"),
    ),
]
