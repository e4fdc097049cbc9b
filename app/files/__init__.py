"""Files of any size: formats, columns, reading row by row, staging on disk, and export."""
