"""Formats of annotations, one a module."""
