// Units that detect a concept
// Picture: a concept, its units, and the classes that they feed most.
// $run: uid of a run
// $concept: a concept, as action/typing
// $top: at most this many paths (default 10)
MATCH (r:Run {uid: $run})
MATCH p = (:Concept {uid: $concept})<-[d:DETECTS]-(u:Unit)
WHERE u.run = $run AND u.status = 'ok' AND d.iou > r.min_iou
WITH p, u, d
ORDER BY d.iou DESC, u.uid
LIMIT $top
OPTIONAL MATCH fed = (u)-[e:CONTRIBUTES]->(:Class)
WHERE e.rank < 3 AND e.share > 0
RETURN p, fed
LIMIT 100
