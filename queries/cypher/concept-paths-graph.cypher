// Paths from a concept to a class
// Picture: concept, units and class.
// Uses only the contributions stored in the graph; `conceptgraph why` finds the exact paths.
// $run: uid of a run
// $concept: a concept, as action/typing
// $class: a class, as class/road
// $top: at most this many paths (default 10)
MATCH (r:Run {uid: $run})
MATCH p = (c:Class {uid: $run + '/' + $class})<-[e2:CONTRIBUTES]-(u2:Unit)<-[e1:CONTRIBUTES]-(u1:Unit)
  -[d:DETECTS]->(:Concept {uid: $concept})
WHERE e2.share > 0 AND e1.share > 0 AND u1.status = 'ok' AND d.iou > r.min_iou
RETURN p
ORDER BY e2.share * e1.share DESC, u1.uid, u2.uid
LIMIT $top
