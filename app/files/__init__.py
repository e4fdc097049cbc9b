"""Files of any size: read line by line, staged on disk, and applied in one transaction, or not at all."""
