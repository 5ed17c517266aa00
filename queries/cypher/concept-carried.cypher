// Contributions within a concept
// Contributions from units labelled with a concept to units of the next block labelled with it too.
// Only contributions kept in the graph are listed: one that is missing may be among those that were not
// kept.
// $run: uid of a run
// $concept: a concept, as action/typing
// $top: at most this many rows (default 10)
MATCH (k:Concept {uid: $concept})<-[:DETECTS]-(u:Unit)
WHERE u.run = $run AND u.named
  AND u.label = k.name AND u.category = k.category
MATCH (u)-[e:CONTRIBUTES]->(t:Unit)
WHERE t.named AND t.label = k.name AND t.category = k.category AND e.share > 0
RETURN substring(u.uid, size($run) + 1) AS source, substring(t.uid, size($run) + 1) AS target,
  e.weight AS weight, e.share AS share, e.rank AS rank
ORDER BY share DESC, u.uid, t.uid
LIMIT $top
