"""Pictures over HTTP: addresses that may be asked, one download, and many downloads in input order."""
