"""Synthetic NHS-flavoured data: a platform to look at, a population to measure with. No real person is in it."""
