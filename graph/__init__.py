"""The concept graph: run directories, records, schema, stores and exports; nothing of torch."""
