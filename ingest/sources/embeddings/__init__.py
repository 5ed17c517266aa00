"""Embeddings of photographs and words in one space: made by open_clip, read from any folder."""

PROMPT = "a photo of {}"
"""Within which a word is embedded, unless another is named."""
