"""Run the stages of a DAG: what has to, in which order, how many at once, each in a process of its own."""
