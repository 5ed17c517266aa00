// The same unit in other runs
// Picture: the unit in other runs, and what it detects best in each.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most this many other runs (default 10)
MATCH p = (here:Unit {uid: $run + '/' + $unit})-[:SAME_UNIT]-(u:Unit)<-[:HAS_UNIT]-(:Block)<-[:HAS_BLOCK]-(r:Run)
WITH p, here, u, r
ORDER BY r.uid
LIMIT $top
OPTIONAL MATCH before = (here)-[:DETECTS {rank: 0}]->(:Concept)
OPTIONAL MATCH after = (u)-[:DETECTS {rank: 0}]->(:Concept)
RETURN p, before, after
