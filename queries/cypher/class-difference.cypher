// Concepts in which two classes differ
// The concepts whose shares in two classes differ most.
// $run: uid of a run
// $class: a class, as class/road
// $other: another class, as class/sky
// $top: at most this many rows (default 10)
MATCH (c:Class)<-[e:CONTRIBUTES]-(u:Unit)
WHERE c.uid IN [$run + '/' + $class, $run + '/' + $other] AND u.named
WITH c.uid AS uid, u.category AS category, u.label AS name, e.share AS each
ORDER BY each
WITH category, name,
  sum(CASE WHEN uid = $run + '/' + $class THEN each ELSE 0.0 END) AS share,
  sum(CASE WHEN uid = $run + '/' + $other THEN each ELSE 0.0 END) AS other_share
RETURN category + '/' + name AS uid, name, category, share, other_share,
  share - other_share AS difference
ORDER BY abs(difference) DESC, uid
LIMIT $top
