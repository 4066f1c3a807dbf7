"""The Beam part: engines, graph, submission; `watch` follows a run, `remote` knows jobs of other machines."""
