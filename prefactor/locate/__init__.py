"""Where to decompose: a change of every matrix in closed form, and which of them remove a domain at the least price."""
