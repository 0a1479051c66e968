"""Backup and restore of a whole installation: databases, messages in transit, bucket and keys, consistent together.

A backup is taken while everything runs. For the moment at which the databases are read, the outbox relays pause and the
queues run empty: so each message is either in an outbox, or its effect is in the database of its consumer. Requests go
on meanwhile, and events wait for some seconds. The layout of a backup:

    manifest.json                    written last: without it the backup is incomplete
    databases/<service>/<table>.gz   PostgreSQL's COPY text format, read in one snapshot for each database
    messages.jsonl.gz                dead letters, and messages that wait for their next attempt
    objects/<sha256 of the key>      the objects of the bucket; `objects.jsonl` names them
    keys/<service>.<setting>         the files that settings named `…_KEY_FILE` name
"""
