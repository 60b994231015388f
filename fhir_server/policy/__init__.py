"""Who may see what, as pure values and functions."""
