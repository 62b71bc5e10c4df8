"""A first ``params.yaml`` for a model and texts as they lie on a disk (``prefactor init``)."""
