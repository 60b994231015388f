"""Where resources are kept: one contract, and a package for each backend."""
