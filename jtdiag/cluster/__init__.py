"""Dask clusters that train and measure lanes: started here, joined, or described in a file."""
