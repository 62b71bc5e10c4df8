"""Search for an edit: subcomponents, prefactors and guard, against what the target keeps and what others pay."""
