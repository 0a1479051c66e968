"""Everything outside of the process that is not SQL: the S3 bucket, and the bytes on their way to it."""
