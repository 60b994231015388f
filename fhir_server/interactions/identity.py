"""Who a Patient is: its NHS number says whose Consents and opt-outs hold for it."""

from __future__ import annotations

from fhir_server.fhir.errors import Forbidden
from fhir_server.interactions.call import Call
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.search.record import SEPARATOR, IndexRecord, system_key
from fhir_server.storage.contract import Put, WriteOp


async def check_same_person(call: Call, op: WriteOp) -> None:
    """Raise Forbidden where who is bound to one patient would change that patient's NHS number.

    As somebody else one could give, by a Consent, what the other refused.
    """
    if not isinstance(op, Put) or op.draft.key.type != "Patient":
        return
    if call.sight.patient_of("Patient") is None:
        return
    # Bound callers write over the version that they saw: another one refuses the write.
    rows = await call.store.read_many(call.sight, [op.draft.key])
    before = {each for row in rows for each in _numbers(row.record)}
    if before != _numbers(op.draft.record):
        raise Forbidden(
            "this caller may not change the NHS number: it says whose record this is",
            expression="Patient.identifier",
        )


def _numbers(record: IndexRecord) -> set[str]:
    end = SEPARATOR + system_key(NHS_NUMBER)
    return {each for each in record.terms if each.startswith("identifier=") and each.endswith(end)}
