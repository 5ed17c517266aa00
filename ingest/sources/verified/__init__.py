"""Labels of concept data, verified by people: yes or no, as the paper's second task asks."""
