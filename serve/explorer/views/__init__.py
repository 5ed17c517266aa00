"""What each page shows: one module a page; a view takes an open run and the query of an address."""
