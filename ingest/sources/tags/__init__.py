"""Tags: people's words about whole images, from folders, tables or captions, as concept data."""
