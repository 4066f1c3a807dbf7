"""Bytes by path or URI: open, read, write, list, lock; shards and tables. Imports `schemas` only.

uris           paths and URIs as text
login          the file system of a URI, its credentials, and one-line errors
find           files by path, glob or brace range
folders        listings of a folder
globs          where a glob begins, and what it matches
read           open and read files
local          a local path for a file, copied if it is remote
write          create, replace, move and remove files
configs        configs from YAML files
tables         the tables of an output folder
scores         the column of scores in those tables
compressed     gzip, bzip2 and xz streams, with bounds
ordered        calls in a pool of threads, in input order
locks/         one writer per output or index
remote/        requests to object stores: pages of a listing, uploads, conditional writes
shards/        WebDataset shards: read, write, random access
"""
