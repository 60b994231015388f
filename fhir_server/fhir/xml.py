"""FHIR's XML form, both ways, driven by the definitions: https://hl7.org/fhir/R4/xml.html.

In between is the JSON form, so that all else knows one form only. A narrative stays the text it was.
"""

from fhir_server.fhir.xml_reading import parse_xml
from fhir_server.fhir.xml_writing import to_xml

__all__ = ["parse_xml", "to_xml"]
