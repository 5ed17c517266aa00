// Strongest paths to a class
// The paths unit → unit → class whose product of shares is largest.
// Only contributions kept in the graph count: a path that is missing may have a step that was not kept.
// `conceptgraph why` finds the exact paths.
// $run: uid of a run
// $class: a class, as class/road
// $beam: only contributions of rank below this (default 1000)
// $top: at most this many rows (default 10)
MATCH (c:Class {uid: $run + '/' + $class})<-[e2:CONTRIBUTES]-(u2:Unit)<-[e1:CONTRIBUTES]-(u1:Unit)
WHERE e2.share > 0 AND e2.rank < $beam AND e1.share > 0 AND e1.rank < $beam
WITH u1, u2, e2.share * e1.share AS score
ORDER BY score DESC, u1.uid, u2.uid
LIMIT $top
RETURN score, substring(u1.uid, size($run) + 1) AS first,
  CASE WHEN u1.named THEN u1.label END AS first_concept,
  substring(u2.uid, size($run) + 1) AS second,
  CASE WHEN u2.named THEN u2.label END AS second_concept
ORDER BY score DESC, u1.uid, u2.uid
