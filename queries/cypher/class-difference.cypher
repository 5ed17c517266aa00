// Concepts in which two classes differ
// The concepts whose shares in two classes differ most.
// units and other_units say how many contributions kept in the graph were added up: if it is 0, the share
// of 0 means that none was kept, not that there is none.
// $run: uid of a run
// $class: a class, as class/road
// $other: another class, as class/sky
// $top: at most this many rows (default 10)
MATCH (c:Class)<-[e:CONTRIBUTES]-(u:Unit)
WHERE c.uid IN [$run + '/' + $class, $run + '/' + $other] AND u.named
WITH c.uid AS uid, u.category AS category, u.label AS name, e.share AS each
ORDER BY each
WITH category, name,
  sum(CASE WHEN uid = $run + '/' + $class THEN 1 ELSE 0 END) AS units,
  sum(CASE WHEN uid = $run + '/' + $class THEN each ELSE 0.0 END) AS share,
  sum(CASE WHEN uid = $run + '/' + $other THEN 1 ELSE 0 END) AS other_units,
  sum(CASE WHEN uid = $run + '/' + $other THEN each ELSE 0.0 END) AS other_share
RETURN category + '/' + name AS uid, name, category, units, share, other_units, other_share,
  share - other_share AS difference
ORDER BY abs(difference) DESC, uid
LIMIT $top
