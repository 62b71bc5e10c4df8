"""Search for an edit: subcomponents, prefactors and guard, against what the target keeps and what others pay.

Every trial is measured on text of the select split, the neighbours' tags in view; proportions of several prefactors are
fitted on the fit split. The eval split is left alone: it is for the one edit that is chosen in the end.
"""
