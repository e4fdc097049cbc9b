"""Finding customers by terms and segments, and segments that look alike."""
