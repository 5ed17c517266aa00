// Concepts of a unit
// The concepts whose pixels overlap a unit's mask, also those too weak to count.
// The attainable_iou is the largest IoU that two masks of these sizes could have; p says how often labels
// of other images overlap as much, enrichment how many times the overlap exceeds theirs on average.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most so many rows (default 10)
MATCH (:Unit {uid: $run + '/' + $unit})-[d:DETECTS]->(k:Concept)
RETURN k.uid AS uid, k.name AS name, k.category AS category, d.iou AS iou,
  CASE
    WHEN d.activation < d.truth THEN toFloat(d.activation) / d.truth
    WHEN d.activation > 0 THEN toFloat(d.truth) / d.activation
    ELSE 0.0
  END AS attainable_iou,
  d.p AS p, d.enrichment AS enrichment, d.significant AS significant
ORDER BY iou DESC, uid
LIMIT $top
