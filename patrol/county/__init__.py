"""The county: an application of its own over the JSON APIs of its towns.

It asks, the towns answer: no town waits for it or knows where it is. What a town offers is made in
patrol/reports/county_documents.py; here it is pulled by cursor, kept in a store of the county's
own, and shown side by side. docs/county.md.
"""
