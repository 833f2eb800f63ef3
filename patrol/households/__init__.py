"""A household's side: changes of its consent, its own link, and the slip of what is held of it."""
