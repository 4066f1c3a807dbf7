"""The output folder: its names, records, commits, preparation, tables, pages and validation.

job and prepare are covered by tests/pipelines/running/test_resume.py, finish by
tests/test_readers.py and tests/pipelines/running/test_graph.py, record and records by
tests/pipelines/output/test_commit.py.
"""
