// Classes that a concept feeds
// The classes that the units labelled with a concept feed: the sum of these units' shares of a class's
// positive weight, negative shares included.
// Only contributions kept in the graph count: a class that is missing may be fed by contributions that
// were not kept.
// $run: uid of a run
// $concept: a concept, as action/typing
// $top: at most this many rows (default 10)
MATCH (k:Concept {uid: $concept})<-[:DETECTS]-(u:Unit)
WHERE u.run = $run AND u.named
  AND u.label = k.name AND u.category = k.category
MATCH (u)-[e:CONTRIBUTES]->(c:Class)
WITH c, e.share AS each
ORDER BY each
WITH c, count(*) AS units, sum(each) AS share
WHERE share > 0
RETURN substring(c.uid, size($run) + 1) AS uid, c.name AS name, null AS category, units, share
ORDER BY share DESC, c.uid
LIMIT $top
