"""Domain: value types, state tables and rules of the patrol. Standard library only, no I/O."""
