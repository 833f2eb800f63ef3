"""TELL THE DAY: pure rows → ledger, rates and pages; nothing here reads a store or a clock."""
