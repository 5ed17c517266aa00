"""Formats of annotations, one a module; `format` finds them."""
