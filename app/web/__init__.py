"""What the API and the pages share: logging, metrics, health, headers, compression, assets, cursors."""
