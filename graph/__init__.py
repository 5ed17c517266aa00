"""Records, schema, stores and files of the concept graph; knows nothing of torch."""
