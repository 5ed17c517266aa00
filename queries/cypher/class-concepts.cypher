// Concepts that feed a class
// Which concepts of the last block feed a class: the sum of the shares of the units labelled with them,
// negative shares included.
// Only contributions kept in the graph count: a concept that is missing may have units whose
// contributions were not kept.
// $run: uid of a run
// $class: a class, as class/road
// $top: at most this many rows (default 10)
MATCH (:Class {uid: $run + '/' + $class})<-[e:CONTRIBUTES]-(u:Unit)
WHERE u.named
WITH u.category AS category, u.label AS name, e.share AS each
ORDER BY each
WITH category, name, count(*) AS units, sum(each) AS share
WHERE share > 0
RETURN category + '/' + name AS uid, name, category, units, share
ORDER BY share DESC, uid
LIMIT $top
