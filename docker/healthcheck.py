"""The image's health check: ends with 0 when the node is ready, its store included."""

import os
import ssl
import sys
import urllib.request

SECONDS = 2

scheme = "https" if os.environ.get("FHIR_TLS_CERT") else "http"
url = f"{scheme}://127.0.0.1:{os.environ.get('FHIR_PORT', '8000')}/health/ready"
# Its certificate is for the name by which others reach it, and this is the same machine.
anyone = ssl._create_unverified_context() if scheme == "https" else None  # noqa: S323, SLF001
try:
    urllib.request.urlopen(url, timeout=SECONDS, context=anyone)  # noqa: S310 - its scheme is one of two
except OSError as problem:
    sys.exit(f"{url}: {problem}")
