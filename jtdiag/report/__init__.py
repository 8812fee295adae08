"""The report: the results of one run or several as one self-contained HTML page.

`evidence` gathers results and findings from disk; `answer` chooses the findings that answer the
main questions; `picture` and `alt_text` embed figures; `tables` and `several_runs` make tables;
`page` puts them in order. The report judges nothing: every conclusion is a finding of a probe.
"""
