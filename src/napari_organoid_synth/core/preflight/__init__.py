"""Looking at pairs before anything is trained: what fits, what does not, and what to do."""
