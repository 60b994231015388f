"""The types of search parameters: each module says how values are indexed and what a search for one asks.

https://hl7.org/fhir/R4/search.html#ptypes
"""
