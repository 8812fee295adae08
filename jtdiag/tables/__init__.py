"""Tables of results for the terminal and for papers.

`table` defines a table and its formats, `registry` lists the tables of ``jtdiag table``.
"""
