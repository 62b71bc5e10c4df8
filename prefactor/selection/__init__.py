"""Which subcomponents an edit acts on, and why.

Evidence about protected domains never influences the default choice: they are what the edit must spare without having
looked at them. What is measured on them (``collateral``, ``warning``) is reported beside a choice and changes none. A
label may still say that a subcomponent is about German alone; that is what labels are for. And ``domain.D`` or
``causal.D`` of a protected D counts only because a person wrote it in the query, who then decided to look.
"""
