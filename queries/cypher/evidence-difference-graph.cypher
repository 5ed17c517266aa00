// Concepts in which two classes differ, by evidence
// Picture: two classes, and the concepts whose evidence for them differs most.
// $run: uid of a run
// $class: a class, as class/road
// $other: another class, as class/sky
// $block: the block that sees them, as block3
// $top: at most this many concepts (default 10)
MATCH (:Block {uid: $run + '/' + $block})-[:SEES]->(x:BlockConcept)-[e:EVIDENCE]->(c:Class)
WHERE c.uid IN [$run + '/' + $class, $run + '/' + $other]
MATCH (x)-[:IS]->(k:Concept)
WITH k, max(CASE WHEN c.uid = $run + '/' + $class THEN e.mean END) AS mean,
  max(CASE WHEN c.uid = $run + '/' + $other THEN e.mean END) AS other_mean
WITH k, coalesce(mean, 0.0) - coalesce(other_mean, 0.0) AS difference
ORDER BY abs(difference) DESC, k.uid
LIMIT $top
MATCH p = (k)<-[:IS]-(x:BlockConcept)-[:EVIDENCE]->(c:Class)
WHERE c.uid IN [$run + '/' + $class, $run + '/' + $other]
MATCH (x)<-[:SEES]-(:Block {uid: $run + '/' + $block})
RETURN p
LIMIT 100
