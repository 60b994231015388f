"""The embedded store: one SQLite file, several processes. https://sqlite.org/wal.html."""
