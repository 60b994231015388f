"""Tests of the pages of the authorization server."""
