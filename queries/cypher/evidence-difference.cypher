// Concepts in which two classes differ, by evidence
// The concepts whose evidence for a class, over its images, differs most from their evidence for another,
// over that one's. Null: not among the strongest of the class, which are in the graph; it counts as 0.
// The run needs evidence (`conceptgraph evidence`).
// $run: uid of a run
// $class: a class, as class/road
// $other: another class, as class/sky
// $block: the block that sees them, as block3
// $top: at most this many rows (default 10)
MATCH (:Block {uid: $run + '/' + $block})-[:SEES]->(x:BlockConcept)-[e:EVIDENCE]->(c:Class)
WHERE c.uid IN [$run + '/' + $class, $run + '/' + $other]
MATCH (x)-[:IS]->(k:Concept)
WITH k, max(CASE WHEN c.uid = $run + '/' + $class THEN e.mean END) AS mean,
  max(CASE WHEN c.uid = $run + '/' + $other THEN e.mean END) AS other_mean
RETURN k.uid AS uid, k.name AS name, k.category AS category, mean, other_mean,
  coalesce(mean, 0.0) - coalesce(other_mean, 0.0) AS difference
ORDER BY abs(difference) DESC, uid
LIMIT $top
