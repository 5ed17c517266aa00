// Concepts of a block
// The concepts that most units of a block are labelled with.
// $run: uid of a run
// $block: a block, as block4
// $top: at most this many rows (default 20)
MATCH (:Block {uid: $run + '/' + $block})-[:HAS_UNIT]->(u:Unit)
WHERE u.named
WITH u.category AS category, u.label AS name, count(*) AS units, max(u.iou) AS best_iou
RETURN category + '/' + name AS uid, name, category, units, best_iou
ORDER BY units DESC, uid
LIMIT $top
