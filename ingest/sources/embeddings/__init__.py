"""Embeddings of photographs and words in one space: made by open_clip, read from any folder."""

PROMPT = "a photo of {}"
"""Within which a word is embedded, unless another is named."""
FEWEST_IMAGES = 200
"""That label units: so a unit is strong in about ten of either half."""
