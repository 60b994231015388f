"""Pages for people, and what operators ask: health and metrics."""
