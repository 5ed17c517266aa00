// Saved explanations with a unit
// The saved explanations with a path through a unit, largest contribution first.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most this many rows (default 10)
MATCH (:Unit {uid: $run + '/' + $unit})<-[:STEP]-(p:Path)<-[:HAS_PATH]-(x:Explanation)-[:OF]->(c:Class)
MATCH (x)<-[:EXPLAINED_BY]-(i:Image)
RETURN i.path AS image, c.name AS class_name, p.rank AS rank, p.contribution AS contribution
ORDER BY abs(p.contribution) DESC, p.uid, i.path
LIMIT $top
