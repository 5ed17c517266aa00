// What feeds a unit or class
// Picture: the contributors and what they detect best.
// $run: uid of a run
// $target: a unit or class, as block4/290 or class/road
// $top: at most this many paths (default 10)
MATCH p = (u:Unit)-[e:CONTRIBUTES]->(t:Unit|Class)
WHERE t.uid = $run + '/' + $target AND e.weight > 0
WITH p, u, e
ORDER BY e.weight DESC, u.uid
LIMIT $top
OPTIONAL MATCH detected = (u)-[:DETECTS {rank: 0}]->(:Concept)
RETURN p, detected
