// The same unit in other runs
// What a unit detects in other runs of the same network, as with other concepts. Only runs in the same graph
// are found. other_settings are those of a run whose labels are another measurement, as at another quantile.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most this many rows (default 10)
MATCH (here:Run {uid: $run})
MATCH (:Unit {uid: $run + '/' + $unit})-[:SAME_UNIT]-(u:Unit)<-[:HAS_UNIT]-(:Block)<-[:HAS_BLOCK]-(r:Run)
RETURN r.uid AS run,
  CASE WHEN u.named THEN u.label END AS concept,
  CASE WHEN u.named THEN u.category END AS category,
  CASE WHEN u.named THEN u.iou END AS iou,
  CASE WHEN r.label_settings <> here.label_settings THEN r.label_settings END AS other_settings
ORDER BY run
LIMIT $top
