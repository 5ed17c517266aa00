// Units with their labels
// What each unit detects best, whether that holds as a name, and whether it is significant.
// $run: uid of a run
// $top: at most this many rows (default 1000)
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(:Block)-[:HAS_UNIT]->(u:Unit)
WITH u ORDER BY u.uid LIMIT $top
OPTIONAL MATCH (u)-[d:DETECTS {rank: 0}]->(:Concept)
RETURN substring(u.uid, size($run) + 1) AS uid,
  CASE WHEN u.category IS NOT NULL THEN u.label END AS label, u.category AS category, u.iou AS iou,
  u.status AS status, u.interpretable AS interpretable, u.named AS named,
  CASE WHEN u.interpretable THEN d.significant END AS significant
ORDER BY uid
