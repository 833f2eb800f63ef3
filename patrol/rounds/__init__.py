"""Walk: which cameras, in which order, how many at once, until when — and into the books."""
