// Units with a formula
// Units that a formula of several concepts describes better than any one of them, highest IoU first. Only after
// `conceptgraph formulas`.
// $run: uid of a run
// $top: at most this many rows (default 10)
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(:Block)-[:HAS_UNIT]->(u:Unit)
WHERE u.formula IS NOT NULL
RETURN substring(u.uid, size($run) + 1) AS unit, u.formula AS formula, u.formula_iou AS iou,
  u.formula_concept AS concept, u.formula_concept_iou AS concept_iou
ORDER BY iou DESC, u.uid
LIMIT $top
