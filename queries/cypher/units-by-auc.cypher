// Units that tell images with a concept
// For a concept that labels whole images (a tag, a scene): the units whose peak in an image tells those with it
// from those without best. auc is 0.5 by chance, auc_low the lower end of its 95 % interval.
// Only the concepts kept for each unit count: its best ones.
// $run: uid of a run
// $concept: a concept, as action/typing
// $top: at most this many rows (default 10)
MATCH (:Concept {uid: $concept})<-[d:DETECTS]-(u:Unit)
WHERE u.run = $run AND d.auc IS NOT NULL
RETURN substring(u.uid, size($run) + 1) AS uid, u.name AS name, d.auc AS auc, d.auc_low AS auc_low,
  d.auc_significant AS significant
ORDER BY auc DESC, u.uid
LIMIT $top
