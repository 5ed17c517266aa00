"""Concept data written and merged."""
