"""A torture run: clients change and read customers while workers, the master and the database are killed or cut off."""
