// Classes that share concepts
// The classes that share the most concepts with a class: concepts whose units feed both.
// Only contributions kept in the graph count: a concept that is missing may feed a class by contributions
// that were not kept.
// $run: uid of a run
// $class: a class, as class/road
// $top: at most this many rows (default 10)
MATCH (c:Class {uid: $run + '/' + $class})<-[e:CONTRIBUTES]-(u:Unit)
WHERE u.named AND e.share > 0
WITH DISTINCT c, u.category + '/' + u.label AS concept
MATCH (k:Concept {uid: concept})<-[:DETECTS]-(v:Unit)
WHERE v.run = $run AND v.named
  AND v.label = k.name AND v.category = k.category
MATCH (v)-[f:CONTRIBUTES]->(other:Class)
WHERE f.share > 0 AND other.uid <> c.uid
WITH DISTINCT other, concept
ORDER BY concept
WITH other, count(*) AS shared, collect(concept) AS concepts
RETURN substring(other.uid, size($run) + 1) AS uid, other.name AS name, shared, concepts
ORDER BY shared DESC, other.uid
LIMIT $top
