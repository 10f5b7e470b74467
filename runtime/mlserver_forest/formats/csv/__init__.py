"""text/csv: one parser for training and serving, and the writer of answers.

``csv_parser`` is where to start: it says what a field means, and chooses among three readers
(``csv_kernel``, ``csv_arrow`` and ``csv_records``). ``text_csv`` makes the matrix of a request.
"""
