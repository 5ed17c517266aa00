// Units with more than one concept
// Units that detect more than one concept above an IoU, highest IoU of the second concept first.
// $run: uid of a run
// $iou: a concept counts above this (default 0.04)
// $top: at most this many rows (default 10)
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(:Block)-[:HAS_UNIT]->(u:Unit)-[d:DETECTS]->(k:Concept)
WHERE d.iou > $iou AND u.status = 'ok'
WITH u, d, k
ORDER BY d.iou DESC, k.uid
WITH u, count(*) AS concepts, collect(k.uid) AS uids, collect(d.iou) AS ious
WHERE concepts > 1
RETURN substring(u.uid, size($run) + 1) AS unit, concepts,
  uids[0] AS first, ious[0] AS first_iou, uids[1] AS second, ious[1] AS second_iou
ORDER BY second_iou DESC, u.uid
LIMIT $top
