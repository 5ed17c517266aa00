"""The page of `data verify`: one label at a time, yes or no."""
