// Units that detect a concept
// The units that detect a concept above the run's minimum IoU, and whether they are labelled with it.
// Only the concepts kept for each unit count: its best ones, and the best of each category.
// $run: uid of a run
// $concept: a concept, as action/typing
// $top: at most this many rows (default 10)
MATCH (r:Run {uid: $run})
MATCH (k:Concept {uid: $concept})<-[d:DETECTS]-(u:Unit)
WHERE u.run = $run AND u.status = 'ok' AND d.iou > r.min_iou
RETURN substring(u.uid, size($run) + 1) AS uid, u.name AS name, d.iou AS iou,
  u.named AND u.label = k.name AND u.category = k.category AS best,
  d.significant AS significant
ORDER BY iou DESC, u.uid
LIMIT $top
