"""An app whose only step counts slowly: a run that is long enough to be cut from."""
