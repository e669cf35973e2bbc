"""The paper's figures and tables: the runs as data, the results from any source, the drawing as pure functions."""
