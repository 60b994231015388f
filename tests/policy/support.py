"""What the tests of policy share."""

from pathlib import Path

from fhir_server.policy.labels import read_labels
from fhir_server.policy.purposes import read_purposes

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "profiles" / "policy"
PURPOSES = read_purposes((FOLDER / "purposes.json").read_bytes())
LABELS = read_labels((FOLDER / "labels.json").read_bytes())
