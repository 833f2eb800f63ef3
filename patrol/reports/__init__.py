"""Reports of a round, a day or a month: ledger, figures, tables, and the files made of them.

queries.py reads the rows of a period, ledger.py and figures.py compute from them, report.py
composes one Report, writers.py and public_digest.py turn it into bytes. terminal.py shows rounds on
a terminal, documents.py gives cases, findings and rounds as JSON.
No module reads a clock.
"""
