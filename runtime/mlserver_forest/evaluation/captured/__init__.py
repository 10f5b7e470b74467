"""What SageMaker's data capture has written: records, the answers in them, and how answers differ.

The format is that of SageMaker's guide, "Capture data from real-time endpoint". Nothing here reads
S3 or knows AWS. Start with ``capture_record.py``.
"""
