"""The report: all that is known of one run or several, as one page that needs nothing else.

Evidence (what is on disk) becomes an answer (sentences), pictures (with words for who cannot see
them) and tables; the page puts them in order.
"""
