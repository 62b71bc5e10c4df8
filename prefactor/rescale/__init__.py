"""What a prefactor does: the term it rescales, how it is guarded, where it acts, and how far it may go."""
