// Classes that a unit reaches
// The classes that a unit of the last block but one reaches through the units it feeds.
// The score is the sum over these paths of the product of shares.
// Only contributions kept in the graph count: a class that is missing may be reached by contributions
// that were not kept.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most this many rows (default 10)
MATCH (:Unit {uid: $run + '/' + $unit})-[e:CONTRIBUTES]->(:Unit)-[f:CONTRIBUTES]->(c:Class)
WITH c, f.share * e.share AS product
ORDER BY product
WITH c, count(*) AS paths, sum(product) AS score
WHERE score > 0
RETURN substring(c.uid, size($run) + 1) AS uid, c.name AS name, paths, score
ORDER BY score DESC, c.uid
LIMIT $top
