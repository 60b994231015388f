"""From a query string to predicates over one index record; `matching` says what they mean. Pure."""
