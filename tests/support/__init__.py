"""What several tests need: data, builders, running servers."""
