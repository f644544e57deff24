"""What headers mean: sections, dialects, cameras, tables of folders, queries."""
