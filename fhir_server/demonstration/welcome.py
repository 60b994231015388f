"""What to try first on the synthetic platform."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.demonstration.codes import BED, BED_STATUS, HBA1C, SNOMED

_HOSPITAL = "54.002%7C-1.75"


def welcome(base_url: str) -> Sequence[str]:
    """Return three searches that find something.

    They are for free beds within 5 km of the first trust's hospital, free theatre time, and HbA1c above 58 mmol/mol.
    """
    base = base_url.rstrip("/")
    bed, hba1c = BED["coding"][0]["code"], HBA1C["coding"][0]["code"]
    free = BED_STATUS["U"]["code"]
    return (
        f"{base}/Location?near={_HOSPITAL}%7C5%7Ckm&type={SNOMED}%7C{bed}&operational-status={free}",
        f"{base}/Slot?status=free&specialty=110&_include=Slot:schedule&_sort=start",
        f"{base}/Observation?code={SNOMED}%7C{hba1c}&value-quantity=gt58&_include=Observation:patient&_sort=-date",
    )
