"""Bytes by path or URI: open, read, write, list, lock; shards and tables. Imports `schemas` only.

uris           paths and URIs as text
login          the file system of a URI, its credentials, and one-line errors
find           globs, braces and listings
pages          listings of Google Cloud Storage, page by page
read           open and read files
local          a local path for a file, copied if it is remote
write          create, replace, move and remove files
conditional    writes that succeed for one of several writers
lock           one writer per output or index
configs        configs from YAML files
tables         the tables of an output folder
shards/        WebDataset shards: read, write, random access
compressed     gzip, bzip2 and xz streams, with bounds
ordered        calls in a pool of threads, in input order
"""
