"""A query for subcomponents: ``label ~ "german" and not label ~ "foreign" and domain.de > 0.5 and causal.it < 0.05``.

``or`` binds less than ``and``, and that less than ``not``; parentheses group. Between them stand comparisons, a field,
an operator and a value: a number, or a text in quotes (without them where it is one word). A query without a comparison
is words that the label must have, and with a leading ``-`` those that it must not; ``<``, ``=`` and the like may be in
them (``parse_query`` says when they compare). The fields are in ``fields.py``.
"""
