"""Documents: metadata in Postgres, bytes in S3."""
