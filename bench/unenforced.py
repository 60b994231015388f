"""A node that leaves something of enforcement out, to measure against: `python -m bench.unenforced WHAT serve …`.

`denials`: roles and purposes are obeyed, and nothing is looked up that people denied. `disclosure`: tokens are verified
and their scopes obeyed, and nothing else is.
"""

from __future__ import annotations

import sys

from fhir_server import wiring
from fhir_server.cli.frame import main
from fhir_server.policy.visibility import Visibility

if __name__ == "__main__":
    match sys.argv.pop(1):
        case "denials":
            Visibility.of_audience = lambda self, *_, **__: self  # type: ignore[method-assign]
        case "disclosure":
            wiring.disclosure = lambda _: None  # type: ignore[attr-defined,assignment,return-value]
        case unknown:
            raise SystemExit(f"nothing is known of leaving {unknown!r} out")
    main()
