// What inhibits a unit or class
// Picture: the inhibitors and what they detect best.
// $run: uid of a run
// $target: a unit or class, as block4/290 or class/road
// $top: at most this many paths (default 10)
MATCH p = (u:Unit)-[e:CONTRIBUTES]->(t:Unit|Class)
WHERE t.uid = $run + '/' + $target AND e.pre < 0
WITH p, u, e
ORDER BY e.pre, u.uid
LIMIT $top
OPTIONAL MATCH detected = (u)-[:DETECTS {rank: 0}]->(:Concept)
RETURN p, detected
