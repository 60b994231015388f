"""Who asks: verified tokens of trusted issuers."""
