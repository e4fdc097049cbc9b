"""What `flask db distribute` uses of Citus, on one PostgreSQL server: it notes the calls and moves nothing.

An application on such a database takes the ways that it takes on Citus.
"""

CATALOGUE = (
    "CREATE TABLE pg_dist_node (groupid int, shouldhaveshards bool, isactive bool, noderole text)",
    "CREATE TABLE pg_dist_partition (logicalrelid regclass)",
    "CREATE TABLE pg_dist_shard (logicalrelid regclass)",
    "CREATE TABLE unsettled (gid text)",
    "CREATE TABLE calls (number serial, call text)",
    "INSERT INTO pg_dist_node SELECT n, n > 0, true, 'primary' FROM generate_series(0, 2) AS n",
)
FUNCTIONS = (
    "citus_is_coordinator() RETURNS bool RETURN NOT EXISTS (SELECT FROM pg_dist_node WHERE groupid = 9)",
    """create_reference_table(name regclass) RETURNS void BEGIN ATOMIC
        INSERT INTO calls (call) VALUES ('replicate ' || name); END""",
    """create_distributed_table(name regclass, key text, colocate_with text) RETURNS void BEGIN ATOMIC
        INSERT INTO calls (call) VALUES ('distribute ' || name || ' by ' || key || ' with ' || colocate_with);
        INSERT INTO pg_dist_partition VALUES (name);
        INSERT INTO pg_dist_shard SELECT name FROM generate_series(1, 32); END""",
    """run_command_on_workers(command text) RETURNS TABLE (success bool, result text) BEGIN ATOMIC
        SELECT true, count(*)::text FROM unsettled; END""",
    """truncate_local_data_after_distributing_table(name regclass) RETURNS void BEGIN ATOMIC
        INSERT INTO calls (call) VALUES ('truncate ' || name); END""",
)
STATEMENTS = (*CATALOGUE, *(f"CREATE FUNCTION {function}" for function in FUNCTIONS))
