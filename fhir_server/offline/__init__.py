"""What the commands do to a store without a server: one module for each theme."""
