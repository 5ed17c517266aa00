// What feeds a unit or class
// The contributors to a unit or class, by weight.
// Only contributions kept in the graph are listed: a unit that is missing may have a weaker one that was
// not kept.
// $run: uid of a run
// $target: a unit or class, as block4/290 or class/road
// $top: at most this many rows (default 10)
MATCH (u:Unit)-[e:CONTRIBUTES]->(t:Unit|Class)
WHERE t.uid = $run + '/' + $target AND e.weight > 0
RETURN substring(u.uid, size($run) + 1) AS uid, u.name AS name,
  CASE WHEN u.named THEN u.label END AS concept,
  CASE WHEN u.named THEN u.category END AS category,
  CASE WHEN u.named THEN u.iou END AS iou,
  e.weight AS weight, e.pre AS pre, e.share AS share
ORDER BY weight DESC, u.uid
LIMIT $top
