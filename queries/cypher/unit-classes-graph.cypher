// Classes that a unit drives
// Picture: a unit of the last block, its concept and its classes.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most this many paths (default 10)
MATCH p = (u:Unit {uid: $run + '/' + $unit})-[e:CONTRIBUTES]->(c:Class)
WITH p, u, e, c
ORDER BY abs(e.weight) DESC, c.uid
LIMIT $top
OPTIONAL MATCH detected = (u)-[:DETECTS {rank: 0}]->(:Concept)
RETURN p, detected
