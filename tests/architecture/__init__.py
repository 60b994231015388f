"""Tests of the house itself: its layout, its documents, its locks and its scripts."""
