"""`syntrans serve`: the core of `syntrans predict` behind a page and a JSON interface, on this machine alone."""
