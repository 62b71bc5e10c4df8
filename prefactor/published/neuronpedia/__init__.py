"""Subcomponents as features, in the folder that Neuronpedia's importer reads.

There is no public description of that folder but their code, of which this follows three files, looked at in 2026:

- ``utils/neuronpedia-utils/neuronpedia_utils/export-data.py`` of ``hijohnnylin/neuronpedia``: the folders and files of
  an export, batches of 1,024 features, and the columns of each table (``schema.py``);
- ``apps/webapp/app/api/admin/import/route.ts`` and ``lib/db/import.ts`` there: what the importer does with them, and
  ``apps/webapp/prisma/schema.prisma``: which columns must not be missing and which must point at a row that exists;
- ``sae_dashboard/neuronpedia/neuronpedia_export.py`` of SAEDashboard: what is written for a sparse autoencoder.

What they leave open is in docs/exports.md.
"""
