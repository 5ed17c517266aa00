// What a unit feeds
// The units or classes of whose positive weight a unit has the largest share.
// Weights to different targets are on different scales; shares are not.
// Only contributions kept in the graph are listed, the strongest of each target: a target that is missing
// may have one from this unit that was not kept.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most this many rows (default 10)
MATCH (:Unit {uid: $run + '/' + $unit})-[e:CONTRIBUTES]->(t)
WHERE e.share > 0
RETURN substring(t.uid, size($run) + 1) AS uid, t.name AS name,
  CASE WHEN t.named THEN t.label END AS concept,
  CASE WHEN t.named THEN t.category END AS category,
  CASE WHEN t.named THEN t.iou END AS iou,
  e.weight AS weight, e.pre AS pre, e.share AS share
ORDER BY share DESC, t.uid
LIMIT $top
