"""The search parameters in force: what a node searches and indexes by, and how it follows their changes."""
