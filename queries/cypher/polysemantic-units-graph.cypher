// Units with more than one concept
// Picture: these units with all concepts that they detect above the IoU.
// $run: uid of a run
// $iou: a concept counts above this (default 0.04)
// $top: at most this many units (default 10)
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(:Block)-[:HAS_UNIT]->(u:Unit)-[d:DETECTS]->(:Concept)
WHERE d.iou > $iou AND u.status = 'ok'
WITH u, d
ORDER BY d.iou DESC
WITH u, collect(d.iou) AS ious
WHERE size(ious) > 1
WITH u, ious
ORDER BY ious[1] DESC, u.uid
LIMIT $top
MATCH p = (u)-[d:DETECTS]->(:Concept)
WHERE d.iou > $iou
RETURN p
LIMIT 100
