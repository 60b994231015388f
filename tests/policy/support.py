"""What the tests of policy share."""

from pathlib import Path

from fhir_server.conformance.definitions import definitions_in
from fhir_server.policy.counts import read_counts
from fhir_server.policy.disclosure import Tables
from fhir_server.policy.labels import read_labels
from fhir_server.policy.programmes import read_programmes
from fhir_server.policy.purposes import read_purposes
from fhir_server.policy.roles import Known, read_roles

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "profiles" / "policy"
PURPOSES = read_purposes((FOLDER / "purposes.json").read_bytes())
LABELS = read_labels((FOLDER / "labels.json").read_bytes())
DEFINITIONS = definitions_in(ROOT / "profiles" / "r4")
KNOWN = Known(
    PURPOSES,
    DEFINITIONS.resource_types,
    frozenset(DEFINITIONS.compartments["Patient"]) | {"Patient"},
    LABELS.ids,
)
ROLES = read_roles((FOLDER / "roles.json").read_bytes(), KNOWN)
TABLES = Tables(
    ROLES,
    read_programmes((FOLDER / "programmes.json").read_bytes(), PURPOSES),
    read_counts((FOLDER / "counts.json").read_bytes()),
)
