"""Concept data in the Broden layout: read, decoded, checked, written, merged."""
