"""How long tests wait for what a quiet machine does in a moment: none is to fail because others use it too."""

PATIENCE = 120.0
"""Seconds. What is promised in less is measured in virtual time, or in time of the processor."""

MEMBER_SECONDS = 60.0
"""For a member of a federation, as many as it may be given."""

DEADLINE = {"x-request-deadline": f"{MEMBER_SECONDS:.0f}"}
"""The header by which a caller gives them to all members."""
