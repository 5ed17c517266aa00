// Concepts of a unit
// The concepts stored for a unit, also those below the run's minimum IoU. attainable_iou is the maximum IoU that
// masks of these areas can have; p is that of the intersection under the permutation null, enrichment the
// intersection over the null's mean. precision is the share of the unit's activation area that lies on the
// concept, in images held out, chance what it is with labels permuted; holds: the concept may name the unit.
// auc, of concepts that label whole images: how well the unit tells images with it from those without.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most this many rows (default 10)
MATCH (:Unit {uid: $run + '/' + $unit})-[d:DETECTS]->(k:Concept)
RETURN k.uid AS uid, k.name AS name, k.category AS category, d.iou AS iou,
  d.attainable_iou AS attainable_iou,
  d.p AS p, d.enrichment AS enrichment, d.significant AS significant,
  d.precision AS precision, d.precision_low AS precision_low, d.chance AS chance, d.holds AS holds,
  d.auc AS auc, d.auc_low AS auc_low, d.auc_significant AS auc_significant
ORDER BY iou DESC, uid
LIMIT $top
