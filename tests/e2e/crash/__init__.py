"""A server that is killed while it writes: what it acknowledged has to be there afterwards."""
