// Bottleneck units
// The units of the last block that are among the strongest contributors of most classes,
// and how many units are in turn among their own strongest contributors.
// Only contributions kept in the graph count: a unit counts for a class only if it is among that class's
// strongest.
// $run: uid of a run
// $beam: only contributions of rank below this (default 8)
// $top: at most this many rows (default 10)
MATCH (:Run {uid: $run})-[:HAS_CLASS]->(:Class)<-[e:CONTRIBUTES]-(u:Unit)
WHERE e.rank < $beam AND e.share > 0
WITH u, count(*) AS classes
ORDER BY classes DESC, u.uid
LIMIT $top
OPTIONAL MATCH (u)<-[f:CONTRIBUTES]-(:Unit)
WHERE f.rank < $beam AND f.share > 0
WITH u, classes, count(f) AS inputs
RETURN substring(u.uid, size($run) + 1) AS unit, CASE WHEN u.named THEN u.label END AS concept, classes, inputs
ORDER BY classes DESC, u.uid
