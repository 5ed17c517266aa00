// Bottlenecks of a class
// The units of the last block but one whose paths carry most of a class's score: how many paths through
// the last block, and the sum of their products of shares.
// Only contributions kept in the graph count: a path that is missing may have a step that was not kept.
// `conceptgraph why` finds the exact paths.
// $run: uid of a run
// $class: a class, as class/road
// $beam: only contributions of rank below this (default 1000)
// $top: at most this many rows (default 10)
MATCH (c:Class {uid: $run + '/' + $class})<-[e2:CONTRIBUTES]-(u2:Unit)<-[e1:CONTRIBUTES]-(u1:Unit)
WHERE e2.share > 0 AND e2.rank < $beam AND e1.share > 0 AND e1.rank < $beam
WITH u1, e2.share * e1.share AS product
ORDER BY product
WITH u1, count(*) AS paths, sum(product) AS score
RETURN substring(u1.uid, size($run) + 1) AS unit,
  CASE WHEN u1.named THEN u1.label END AS concept, paths, score
ORDER BY score DESC, u1.uid
LIMIT $top
