// Units
// Units with their captions, and whether they are ok, sparse or dead.
// $run: uid of a run
// $top: at most this many rows (default 1000)
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(:Block)-[:HAS_UNIT]->(u:Unit)
RETURN substring(u.uid, size($run) + 1) AS uid, u.name AS name, u.status AS status
ORDER BY u.uid
LIMIT $top
