"""Files of tables, for training and batch scoring: which are read, and what is in them.

``parts.py`` opens a file or stream, whatever compresses it; ``partitions.py`` reads the columns
that the names of its folders give; ``stray_files.py`` tells files that are no tables. Nothing here
parses rows: the formats do.
"""
