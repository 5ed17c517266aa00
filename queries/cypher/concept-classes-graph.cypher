// Classes that a concept feeds
// Picture: a concept, the units labelled with it, and their classes.
// $run: uid of a run
// $concept: a concept, as action/typing
// $top: at most this many paths (default 10)
MATCH p = (k:Concept {uid: $concept})<-[:DETECTS]-(u:Unit)-[e:CONTRIBUTES]->(c:Class)
WHERE u.run = $run AND u.named
  AND u.label = k.name AND u.category = k.category
  AND e.share > 0
RETURN p
ORDER BY e.share DESC, c.uid, u.uid
LIMIT $top
