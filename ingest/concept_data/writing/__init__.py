"""Writing concept data: `writer` writes a data set image by image."""
