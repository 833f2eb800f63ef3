"""What administrators change: accounts, and the registry's files (cameras.csv, zones.yaml).

Used by the console's pages and by `patrol user`; the composition root builds the editors.
"""
