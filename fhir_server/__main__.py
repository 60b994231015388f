"""The command line as `python -m fhir_server`."""

from __future__ import annotations

from fhir_server.cli import main

if __name__ == "__main__":
    main()
