"""MPEG program and transport streams taken apart to key pictures, without any I/O."""
