// Concepts that feed a concept
// The concepts of earlier blocks whose units feed the units labelled with a concept, by their shares.
// Only contributions kept in the graph count: a concept that is missing may have units whose
// contributions were not kept.
// $run: uid of a run
// $concept: a concept, as action/typing
// $top: at most this many rows (default 10)
MATCH (k:Concept {uid: $concept})<-[:DETECTS]-(t:Unit)
WHERE t.run = $run AND t.named
  AND t.label = k.name AND t.category = k.category
MATCH (t)<-[e:CONTRIBUTES]-(u:Unit)
WHERE u.named AND e.share > 0
WITH u.category AS category, u.label AS name, e.share AS each
ORDER BY each
WITH category, name, count(*) AS steps, sum(each) AS share
RETURN category + '/' + name AS uid, name, category, steps, share
ORDER BY share DESC, uid
LIMIT $top
