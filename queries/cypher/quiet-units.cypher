// Dead and sparse units
// Units that are never active on the data, or so rarely that their threshold is 0.
// $run: uid of a run
// $top: at most this many rows (default 100)
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(:Block)-[:HAS_UNIT]->(u:Unit)
WHERE u.status <> 'ok'
RETURN substring(u.uid, size($run) + 1) AS unit, u.status AS status
ORDER BY status, u.uid
LIMIT $top
