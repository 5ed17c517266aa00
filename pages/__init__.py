"""Offline HTML pages: what each says, and how it is drawn."""
