"""Pictures over HTTP: addresses that may be asked, one download, many in order."""
