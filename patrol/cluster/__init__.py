"""A round over many machines: shards on a job queue, workers, an exchange of pictures, one leader.

Optional (the extra `cluster`, PostgreSQL); a site without `cluster:` in site.yaml imports nothing
of it. The queue is procrastinate (queue.py, its only importer).
"""
