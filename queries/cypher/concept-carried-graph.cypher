// Contributions within a concept
// Picture: units of one concept that feed one another.
// $run: uid of a run
// $concept: a concept, as action/typing
// $top: at most this many paths (default 10)
MATCH (k:Concept {uid: $concept})<-[:DETECTS]-(u:Unit)
WHERE u.run = $run AND u.named
  AND u.label = k.name AND u.category = k.category
MATCH p = (u)-[e:CONTRIBUTES]->(t:Unit)
WHERE t.named AND t.label = k.name AND t.category = k.category AND e.share > 0
RETURN p
ORDER BY e.share DESC, u.uid, t.uid
LIMIT $top
