// The same unit in other runs
// The picture: the unit in other runs, and what it detects best, here and there.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most so many other runs (default 10)
MATCH p = (here:Unit {uid: $run + '/' + $unit})-[:SAME_UNIT]-(u:Unit)<-[:HAS_UNIT]-(:Block)<-[:HAS_BLOCK]-(r:Run)
WITH p, here, u, r
ORDER BY r.uid
LIMIT $top
OPTIONAL MATCH before = (here)-[:DETECTS {rank: 0}]->(:Concept)
OPTIONAL MATCH after = (u)-[:DETECTS {rank: 0}]->(:Concept)
RETURN p, before, after
