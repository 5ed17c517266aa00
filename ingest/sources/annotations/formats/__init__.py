"""Formats of annotations, one a module; `format` reads them."""

from pkgutil import iter_modules


def format_names() -> list[str]:
    """Return the names of all formats."""
    return sorted(module.name for module in iter_modules(__path__))
