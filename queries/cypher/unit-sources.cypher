// Concepts that feed a unit
// Which concepts of the previous block feed a unit: the sum of the shares of the units labelled with them,
// negative shares included.
// Only contributions kept in the graph count: a concept that is missing may have units whose
// contributions were not kept.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most this many rows (default 10)
MATCH (:Unit {uid: $run + '/' + $unit})<-[e:CONTRIBUTES]-(u:Unit)
WHERE u.named
WITH u.category AS category, u.label AS name, e.share AS each
ORDER BY each
WITH category, name, count(*) AS units, sum(each) AS share
WHERE share > 0
RETURN category + '/' + name AS uid, name, category, units, share
ORDER BY share DESC, uid
LIMIT $top
