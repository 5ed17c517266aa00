"""What is counted over batches and processes, and what follows from the counts."""
