"""Who asked for what, and what they were shown or changed: an append-only log, and AuditEvents made of it."""
