// Paths from a concept to a class
// The strongest paths to a class from the units that detect a concept.
// Only contributions kept in the graph count: a path that is missing may have a step that was not kept.
// `conceptgraph why` finds the exact paths.
// $run: uid of a run
// $concept: a concept, as action/typing
// $class: a class, as class/road
// $top: at most this many rows (default 10)
MATCH (r:Run {uid: $run})
MATCH (c:Class {uid: $run + '/' + $class})<-[e2:CONTRIBUTES]-(u2:Unit)<-[e1:CONTRIBUTES]-(u1:Unit)
  -[d:DETECTS]->(:Concept {uid: $concept})
WHERE e2.share > 0 AND e1.share > 0 AND u1.status = 'ok' AND d.iou > r.min_iou
RETURN e2.share * e1.share AS score, substring(u1.uid, size($run) + 1) AS first, d.iou AS iou,
  substring(u2.uid, size($run) + 1) AS second,
  CASE WHEN u2.named THEN u2.label END AS second_concept
ORDER BY score DESC, u1.uid, u2.uid
LIMIT $top
