"""Documents -> ids, once; on the disk, built by all cores and mapped into memory.

shards.py             documents -> one array of ids, with the starts of sentences and documents
shard_files.py        a folder of shards: its files, written and opened
shard_steps.py        the steps from files to shards, which any process can run
shard_builder.py      their order: `build_shards`, resumable
workers.py            who runs them: processes of this machine, or a Ray cluster
fingerprint.py        a few words that tell a vocabulary or a text in ids from any other
"""
