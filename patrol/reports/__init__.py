"""TELL THE DAY: pure rows → ledger, rates and pages; nothing here reads a clock.

`gather` takes rows through the doors, `compose` reckons, `formats` writes; `terminal` and `live`
show a round on a screen.
"""
