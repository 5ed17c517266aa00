// What a unit feeds
// Picture: the unit with its concept, and what it feeds.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most this many paths (default 10)
MATCH p = (u:Unit {uid: $run + '/' + $unit})-[e:CONTRIBUTES]->(t)
WHERE e.share > 0
WITH p, u, e, t
ORDER BY e.share DESC, t.uid
LIMIT $top
OPTIONAL MATCH detected = (u)-[:DETECTS {rank: 0}]->(:Concept)
RETURN p, detected
