"""What the tests of policy share."""

from pathlib import Path

from fhir_server.policy.purposes import read_purposes

ROOT = Path(__file__).parents[2]
PURPOSES = read_purposes((ROOT / "profiles" / "policy" / "purposes.json").read_bytes())
