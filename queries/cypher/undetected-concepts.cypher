// Concepts that no unit detects
// Concepts that no unit detects above the run's minimum IoU, those in most images first,
// with the best IoU that is kept for any unit.
// For each unit only its best concepts, and the best of each category, are kept.
// $run: uid of a run
// $top: at most this many rows (default 10)
MATCH (r:Run {uid: $run})-[h:HAS_CONCEPT]->(k:Concept)
WHERE NOT EXISTS {
  MATCH (k)<-[d:DETECTS]-(u:Unit)
  WHERE u.run = $run AND u.status = 'ok' AND d.iou > r.min_iou
}
WITH k, h.images AS images
ORDER BY images DESC, k.uid
LIMIT $top
OPTIONAL MATCH (k)<-[d:DETECTS]-(u:Unit)
WHERE u.run = $run
WITH k, images, max(d.iou) AS best_iou
RETURN k.uid AS uid, k.name AS name, k.category AS category, images, best_iou
ORDER BY images DESC, uid
